import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data_tools.inspect.collect import collect
from data_tools.prepare import Options, prepare
from data_tools.prepared import open_prepared
from data_tools.readers import parse
from data_tools.records import RawRecord, Record
from data_tools.rules.roles import repair
from data_tools.rules.tools import calls_of, tools_of
from data_tools.shards import conversation_of_line
from data_tools.windows import WindowMaker
from tests.templates.kinds import encoder_for

TOOL = {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}
CALL = {"name": "add", "arguments": {"x": 2, "y": 2}}
SAID = [("human", "2+2?"), ("function_call", json.dumps(CALL)), ("observation", "4"), ("gpt", "Four.")]


def record(said: list[tuple[str, str]], tools: object = json.dumps([TOOL]), **more: object) -> Record:
    turns = [{"from": role, "value": text} for role, text in said]
    value = {"id": "a", "conversations": turns, "tools": tools, **more}
    [made] = parse(RawRecord("a.json", 0, value, "sharegpt"))
    return made


def roles(made: Record) -> list[str]:
    return [message.role for message in made.messages]


def test_a_call_is_a_reply_and_its_answer_context() -> None:
    made = record([*SAID, *SAID], system="Be exact.")
    repair(made, takes_tools=True)
    assert roles(made) == ["system", *["user", "assistant", "tool", "assistant"] * 2]
    assert made.messages[2].tool_calls == ({"type": "function", "function": CALL},)
    assert made.tools == ({"type": "function", "function": TOOL},)
    assert not any(turn.rule for turn in made.turns)
    assert sorted(at for group in made.message_turns for at in group) == list(range(len(made.turns)))


def test_openai_writes_the_same() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": json.dumps(CALL["arguments"])}}
    messages = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
        {"role": "assistant", "content": "Four."},
    ]
    value = {"messages": messages, "tools": [{"type": "function", "function": TOOL}]}
    [made] = parse(RawRecord("a.jsonl", 0, value, "messages"))
    repair(made, takes_tools=True)
    assert roles(made) == ["user", "assistant", "tool", "tool", "assistant"]
    assert made.messages[1].tool_calls == ({"type": "function", "function": CALL},) * 2
    assert made.tools == ({"type": "function", "function": TOOL},)


def test_what_follows_the_last_reply_is_cut_and_a_last_call_is_taught() -> None:
    made = record([*SAID, ("human", "And 3+3?")])
    repair(made, takes_tools=True)
    assert (len(made.messages), made.turns[-1].rule) == (4, "trailing_question")
    made = record([*SAID, *SAID[:3]])
    repair(made, takes_tools=True)
    assert (roles(made)[-1], made.turns[-1].rule) == ("assistant", "tool_turn")


@pytest.mark.parametrize(
    ("said", "tools"),
    [
        ([SAID[0], SAID[2], SAID[3]], "[]"),  # an answer that no call asked for
        ([SAID[0], ("function_call", "add(2, 2)"), *SAID[2:]], "[]"),  # no JSON
        ([SAID[0], ("function_call", '{"name": "add", "arguments": 3}'), *SAID[2:]], "[]"),
        ([*SAID[:2], SAID[3]], "[]"),  # no answer
        ([*SAID[:2], ("observation", " "), SAID[3]], "[]"),
        (SAID, "add(x, y)"),
        (SAID, '[{"description": "has no name"}]'),
    ],
)
def test_what_no_format_writes_so_is_rejected_as_before(said: list[tuple[str, str]], tools: str) -> None:
    with_tools, without = record(said, tools), record(said, tools)
    repair(with_tools, takes_tools=True)
    repair(without)
    assert [turn.rule for turn in with_tools.turns] == [turn.rule for turn in without.turns]
    assert (with_tools.messages, with_tools.tools) == (without.messages, ())
    assert {"tool_turn"} & {turn.rule for turn in with_tools.turns}


def test_plain_conversations_are_left_to_the_other_repair() -> None:
    plain = [SAID[0], SAID[3]]
    made, same = record(plain, "[]"), record(plain, "[]")
    repair(made, takes_tools=True)
    repair(same)
    assert made == same
    assert roles(made) == ["user", "assistant"]


def test_definitions_and_calls_that_are_none() -> None:
    for text in ("", "null", "3", "{}", '[{"name": 3}]', '["add"]', '{"function": {"name": ""}}', "[" * 100_000):
        assert tools_of(text) == []
        assert calls_of(text) == ()


@pytest.fixture(scope="module")
def prepared(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few conversations with tools, by Qwen2.5's own template; one is longer than a window."""
    folder = tmp_path_factory.mktemp("tools")
    values: list[dict[str, Any]] = [
        {"id": f"{n}", "tools": json.dumps([TOOL]), "conversations": [
            {"from": role, "value": f"{text} {n}" if role == "human" else text} for role, text in SAID * n]}
        for n in (1, 2, 40)
    ]  # fmt: skip
    (folder / "dump.json").write_text(json.dumps(values))
    prepare(
        Options(
            inputs=(folder / "dump.json",), model=str(shared_data / "tokenizers" / "qwen2.5"), template="tokenizer",
            out=folder / "data", window=1024, held_out=0.0, workers=1,
        )
    )  # fmt: skip
    return folder / "data"


def test_calls_are_trained_and_every_turn_is_in_the_ledger(prepared: Path) -> None:
    made = open_prepared(prepared).manifest
    counts = made["counts"]
    assert counts["turns_in"] == 3 + 4 * 43
    assert (counts["turns_trained"], counts["turns_context"]) == (6, 8)
    assert {rule: held["turns"] for rule, held in made["rejected"].items()} == {
        "longer_than_window": 80, "no_supervised_reply": 81,
    }  # fmt: skip
    encoder = encoder_for("tokenizer", "qwen2.5")
    [row] = pq.read_table(prepared / "train" / "windows-00000.parquet").to_pylist()
    taught = encoder.decode([label for label in row["labels"] if label != -100])
    call = '<tool_call>\n{"name": "add", "arguments": {"x": 2, "y": 2}}\n</tool_call><|im_end|>'
    assert taught == f"{call}Four.<|im_end|>" * 3


def test_the_inspector_reads_them_alike_and_a_line_encodes_to_its_document(prepared: Path) -> None:
    content = collect(open_prepared(prepared), model=None, most=10)
    assert content.overview["notes"] == []
    shown = {one["id"]: one for one in content.overview["list"]}
    assert shown["2"]["tokens"] > shown["2"]["supervised"] > 0
    encoder = encoder_for("tokenizer", "qwen2.5")
    first = (prepared / "conversations" / "train.jsonl").read_bytes().splitlines()[0]
    conversation = conversation_of_line(first)
    maker = WindowMaker([conversation], encoder=encoder, window=1024)
    maker.run()
    [document] = maker.documents
    assert document.ids.tolist() == encoder.encode([conversation])[0].ids
