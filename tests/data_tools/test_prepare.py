import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data_tools.prepare import Options, prepare
from data_tools.rules.config import Rules
from templates import InputError

SAMPLE = Path(__file__).parents[2] / "examples" / "sharegpt_sample.json"


@pytest.fixture(scope="module")
def options(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Options:
    out = tmp_path_factory.mktemp("prepared") / "data"
    return Options(inputs=(SAMPLE,), model=str(small_model), template="vicuna_v1.1", out=out, workers=1)


@pytest.fixture(scope="module")
def manifest(options: Options) -> dict[str, Any]:
    return prepare(options)


def test_the_manifest_adds_up_and_agrees_with_ledger_and_windows(manifest: dict[str, Any], options: Options) -> None:
    assert json.loads((options.out / "manifest.json").read_text()) == manifest
    counts, records = manifest["counts"], json.loads(SAMPLE.read_text())
    ledger = pq.read_table(options.out / "ledger.parquet")
    turns = sum(len(record["conversations"]) + ("system" in record) for record in records)
    assert counts["conversations_in"] == len(records)
    assert counts["turns_in"] == turns == ledger.num_rows
    assert turns == counts["turns_trained"] + counts["turns_context"] + counts["turns_rejected"]
    held = sum(rule["supervised_tokens"] for rule in manifest["rejected"].values())
    assert counts["supervised_tokens"] == counts["supervised_tokens_in"] - held
    assert sum(rule["turns"] for rule in manifest["rejected"].values()) == counts["turns_rejected"]
    trained = ledger.filter(pc.equal(ledger["fate"], "trained"))
    assert pc.sum(trained["supervised_tokens"]).as_py() == counts["supervised_tokens"]
    rejected = ledger.filter(pc.equal(ledger["fate"], "rejected"))
    assert "" not in rejected["rule"].to_pylist()
    keys = {"conversations_kept", "turns_trained", "supervised_tokens", "tokens", "windows"}
    assert all(counts[key] == sum(part[key] for part in manifest["parts"].values()) for key in keys)
    assert set(manifest["fingerprint"]) == {"digest", "parts"}


def test_every_rule_of_the_cleaner_had_something_to_do(manifest: dict[str, Any]) -> None:
    at_work = {name for name, roles in Rules().text if roles}
    idle = {name for name in at_work if not manifest["cleaning"][name]["turns_changed"]}
    assert idle <= {"lone_surrogates"}
    assert {"leading_reply", "duplicate", "refused_by_interface", "trailing_question"} <= manifest["rejected"].keys()


@pytest.mark.parametrize("part", ["train", "held_out"])
def test_windows_hold_what_the_manifest_says(part: str, manifest: dict[str, Any], options: Options) -> None:
    table = pq.read_table(sorted((options.out / part).glob("windows-*.parquet")))
    rows, counts = table.to_pylist(), manifest["parts"][part]
    assert table.num_rows == counts["windows"]
    assert sum(len(row["input_ids"]) for row in rows) == counts["tokens"]
    assert counts["fill"] == counts["tokens"] / (counts["windows"] * 2048)
    supervised = 0
    for row in rows:
        ids, labels = np.array(row["input_ids"]), np.array(row["labels"])
        taught = labels != -100
        assert (labels[taught] == ids[taught]).all()
        assert sum(row["document_lengths"]) == len(ids) == len(labels) <= 2048
        assert len(row["document_lengths"]) == len(row["sources"])
        assert not taught[np.cumsum([0, *row["document_lengths"][:-1]])].any()
        supervised += int(taught.sum())
    assert supervised == counts["supervised_tokens"]


def test_no_conversation_stands_on_both_sides(manifest: dict[str, Any], options: Options) -> None:
    sides = {}
    for part in ("train", "held_out"):
        lines = (options.out / "conversations" / f"{part}.jsonl").read_text().splitlines()
        assert len(lines) == manifest["parts"][part]["conversations_kept"] > 0
        conversations = [json.loads(line) for line in lines]
        assert all(one["messages"][-1]["role"] == "assistant" for one in conversations)
        sides[part] = {one["id"].split("_")[0] for one in conversations}
    assert not sides["train"] & sides["held_out"]


def test_datasets_opens_the_shards(manifest: dict[str, Any], options: Options, tmp_path: Path) -> None:
    import datasets

    for part, counts in manifest["parts"].items():
        loaded = datasets.load_dataset("parquet", data_dir=str(options.out / part), cache_dir=str(tmp_path))
        assert loaded["train"].num_rows == counts["windows"]


def test_more_processes_give_the_same_bytes(manifest: dict[str, Any], options: Options, tmp_path: Path) -> None:
    again = prepare(replace(options, out=tmp_path / "data", workers=2))
    assert again["counts"] == manifest["counts"]
    for path in sorted(options.out.rglob("*")):
        if path.is_file() and path.name != "manifest.json":
            assert path.read_bytes() == (tmp_path / "data" / path.relative_to(options.out)).read_bytes(), path


def test_a_few_pairs_and_the_last_reply_alone(options: Options, tmp_path: Path) -> None:
    made = prepare(replace(options, out=tmp_path / "data", max_pairs=2, only_last_turn=True))
    ledger = pq.read_table(tmp_path / "data" / "ledger.parquet")
    counts = made["counts"]
    assert counts["turns_in"] == counts["turns_trained"] + counts["turns_context"] + counts["turns_rejected"]
    assert made["rejected"]["max_pairs"]["turns"] > 0
    trained = Counter(ledger.filter(pc.equal(ledger["fate"], "trained"))["conversation"].to_pylist())
    assert trained
    assert len(trained) == counts["conversations_kept"]
    lines = (tmp_path / "data" / "conversations" / "train.jsonl").read_text().splitlines()
    messages = [json.loads(line)["messages"] for line in lines]
    assert all(len(one) <= 5 for one in messages)
    assert {message.get("train") for one in messages for message in one[:-1] if message["role"] == "assistant"} == {
        False
    }


def test_bad_records_among_good_ones_are_in_the_ledger(options: Options, tmp_path: Path) -> None:
    good = {"id": "good", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]}
    half = {"id": "half", "conversations": [*good["conversations"], {"from": "human"}, {"from": "?", "value": "x"}]}
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps([good, "text", {"id": "none"}, half, {"id": "empty", "conversations": []}]))
    made = prepare(replace(options, inputs=(dump,), out=tmp_path / "data", held_out=0.0))
    rules = Counter({rule: held["turns"] for rule, held in made["rejected"].items()})
    assert rules == {
        "not_an_object": 1, "no_conversations": 2, "not_a_turn": 1, "unknown_role": 1, "duplicate": 2,
    }  # fmt: skip
    assert made["counts"]["conversations_in"] == 5
    assert made["counts"]["conversations_kept"] == 1


def test_a_dump_without_a_reply_leaves_no_output(options: Options, tmp_path: Path) -> None:
    dump = tmp_path / "dump.json"
    dump.write_text('[{"id": "a", "conversations": [{"from": "human", "value": "Hi"}]}]')
    with pytest.raises(InputError, match=r"dump\.json: not one of 1 conversations .* by rule: trailing_question 1;"):
        prepare(replace(options, inputs=(dump,), out=tmp_path / "data"))
    assert [path.name for path in tmp_path.iterdir()] == ["dump.json"]


def test_a_long_talk_of_short_turns_is_not_cut_to_pieces_that_save_no_window(options: Options, tmp_path: Path) -> None:
    turns = [{"from": "gpt" if n % 2 else "human", "value": f"turn {n % 10} of a talk"} for n in range(240)]
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps([{"id": "long", "conversations": turns}]))
    counts = prepare(replace(options, inputs=(dump,), out=tmp_path / "data", window=512))["counts"]
    assert counts["turns_trained"] == 120
    assert counts["documents"] == counts["windows"] < 9


def test_the_real_dump_is_full_and_complete(options: Options, shared_data: Path, tmp_path: Path) -> None:
    dump = shared_data / "sharegpt" / "sharegpt_508.json"
    made = prepare(replace(options, inputs=(dump,), out=tmp_path / "data"))
    counts = made["counts"]
    assert counts["turns_in"] == 3770 == counts["turns_trained"] + counts["turns_context"] + counts["turns_rejected"]
    assert counts["fill"] >= 0.994
    assert made["parts"]["train"]["fill"] >= 0.995
    assert not {"shortened", "no_supervised_reply"} & made["rejected"].keys()
