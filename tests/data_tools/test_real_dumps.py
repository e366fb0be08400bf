"""Every dump that holds conversations, in one run: each file's turns are in the ledger, and each turn has a fate."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data_tools.prepare import Options, prepare
from templates import InputError

# Turns that each file brings, counted in the file by hand or by a few lines that use nothing of Chaku.
TURNS = {
    "sharegpt/common_en_sample_230805.json": 30,
    "sharegpt/common_zh_sample_230805.json": 28,
    "sharegpt/dialogstudio_with_model_key.json": 28,
    "sharegpt/fastchat_dummy.json": 1822,
    "sharegpt/fastchat_dummy_with_system.json": 2006,
    "sharegpt/multilang_sample_230914.json": 100,
    "sharegpt/vicuna_sample_230629.json": 472,
    "sharegpt_html/saved_page_2022-12_what-is-programming.html": 2,
    "sharegpt_html/saved_page_2023-08-18_chat-gpt-currency-analysis-symbols-distribution.html": 14,
    "sharegpt_html/saved_page_2024-05-17_chat-gpt-http-server-with-npx.html": 2,
    "sharegpt_html/saved_page_2025-05-28_chat-gpt-next-js-15-api-route.html": 14,
    "sharegpt_html/sharegpt90k_raw_4.json": 30,
    "chatgpt_export/conversations_20.json": 164,
    "other_formats/llamafactory_glaive_toolcall_en.json": 2105,
    "other_formats/oasst_en_100_tree.jsonl": 1167,
    "other_formats/openai_evals_samples.jsonl": 366,
    "other_formats/openai_toy_chat.jsonl": 37,
    "other_formats/openai_weather_functions.jsonl": 70,
    "alpaca/alpaca_en_999.json": 1998,
    "alpaca/alpaca_zh_1000.json": 2000,
    "alpaca/belle_zh_seed_tasks_175.jsonl": 350,
    "alpaca/seed_tasks_175.jsonl": 350,
    "evol/evol_teacher_alpaca_2k.json": 4034,
    "evol/seed_evol_21.json": 42,
}


def test_every_turn_of_every_dump_has_a_fate(small_model: Path, shared_data: Path, tmp_path: Path) -> None:
    dumps = tuple(shared_data / name for name in TURNS)
    made = prepare(Options(inputs=dumps, model=str(small_model), template="vicuna_v1.1", out=tmp_path / "d", workers=1))
    rows = pq.read_table(tmp_path / "d" / "ledger.parquet").to_pylist()
    turns = Counter(row["file"] for row in rows)
    assert {name: turns[str(shared_data / name)] for name in TURNS} == TURNS
    counts = made["counts"]
    fates = Counter(row["fate"] for row in rows)
    assert counts["turns_in"] == sum(turns.values()) == sum(fates.values())
    assert fates == {fate: counts[f"turns_{fate}"] for fate in ("trained", "context", "rejected")}
    assert all(row["rule"] for row in rows if row["fate"] == "rejected")
    trained = sum(row["supervised_tokens"] for row in rows if row["fate"] == "trained")
    assert trained == counts["supervised_tokens"] == sum(part["supervised_tokens"] for part in made["parts"].values())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "other_formats/openai_weather_functions.jsonl",
            r"not one of 10 conversations .* rejected by rule: tool_turn 40, after_tool_turn 10, "
            r"question_without_reply 10, tools_definition 10;",
        ),
        ("sharegpt_html/2023-02_BlockVote_README.md", "not JSON"),
    ],
)
def test_what_can_teach_nothing_is_refused(
    name: str, said: str, small_model: Path, shared_data: Path, tmp_path: Path
) -> None:
    options = Options(
        inputs=(shared_data / name,), model=str(small_model), template="vicuna_v1.1", out=tmp_path / "d", workers=1
    )
    with pytest.raises(InputError, match=said):
        prepare(options)
