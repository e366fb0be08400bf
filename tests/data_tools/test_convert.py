import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.cli import main
from data_tools.convert import CONVENTIONS, convert
from data_tools.readers import parse
from data_tools.records import RawRecord, Record, Turn
from data_tools.rules.tools import calls_of, tools_of
from templates import InputError

TEXTS = st.text(max_size=20)
TURNS = st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), TEXTS, st.sampled_from([None, True, False]))
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)

RECORDS = [
    {"id": "a", "system": "Be kind.", "conversations": [
        {"from": "human", "value": " 1 / 1\nHi"}, {"from": "gpt", "value": "<p>Hello</p>"}]},
    {"id": "b", "conversations": [{"from": "gpt", "value": "...and so on."}, {"from": "narrator", "value": "x"}]},
]  # fmt: skip


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(RECORDS))
    return path


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def record_of(turns: list[tuple[Any, str, bool | None]]) -> Record:
    return Record(
        "abc", "dump.json", 0, [Turn(n, role, text, train=flag) for n, (role, text, flag) in enumerate(turns)]
    )


def back(record: Record, to: str) -> list[tuple[str | None, str, bool | None]]:
    line, _ = CONVENTIONS[to](record)
    return [(turn.role, turn.text, turn.train) for turn in parse(RawRecord("dump.json", 0, line))[0].turns]


@given(st.lists(TURNS, min_size=1, max_size=6))
def test_messages_hold_everything(turns: list[tuple[Any, str, bool | None]]) -> None:
    assert back(record_of(turns), "messages") == turns
    assert CONVENTIONS["messages"](record_of(turns))[1] == {}


@given(st.lists(TURNS, min_size=1, max_size=6))
def test_sharegpt_holds_all_but_train_flags_and_counts_those(turns: list[tuple[Any, str, bool | None]]) -> None:
    record = record_of(turns)
    assert back(record, "sharegpt") == [(role, text, None) for role, text, _ in turns]
    flags = sum(flag is not None for _, _, flag in turns)
    assert CONVENTIONS["sharegpt"](record)[1] == ({"train_flag": flags} if flags else {})


@given(st.text(min_size=1) | st.none(), PAIRS)
def test_alpaca_holds_pairs_and_a_system_prompt(system: str | None, pairs: list[tuple[str, str]]) -> None:
    turns: list[tuple[Any, str, bool | None]] = [("system", system, None)] if system else []
    turns += [turn for question, reply in pairs for turn in (("user", question, None), ("assistant", reply, None))]
    line, lost = CONVENTIONS["alpaca"](record_of(turns))
    assert line is not None
    last = [line["instruction"], line["output"]]
    assert [*line.get("history", []), last] == [list(pair) for pair in pairs]  # type: ignore[misc]
    assert line.get("system") == system
    assert back(record_of(turns), "alpaca") == turns
    assert lost == {"id": 1}


def test_what_alpaca_cannot_hold_is_named() -> None:
    turns = [("assistant", "so", None), ("user", "a", None), ("user", "b", None), ("assistant", "c", False),
             ("tool", "{}", None), ("assistant", "d", None)]  # fmt: skip
    line, lost = CONVENTIONS["alpaca"](record_of(turns))
    assert line == {"instruction": "a\n\nb", "input": "", "output": "c"}
    assert lost == {
        "leading_reply": 1, "merged": 1, "train_flag": 1, "tool_turn": 1, "after_tool_turn": 1, "id": 1,
    }  # fmt: skip


def test_texts_stay_as_they_are(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = dump.parent / "messages.jsonl"
    assert main(["convert", str(dump), "--to", "messages", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "wrote 2 conversations" in printed
    assert "what messages cannot hold: none" in printed
    assert "turns without a known role or a text: unknown_role 1" in printed
    first, second = lines_of(out)
    assert first == {
        "id": "a",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": " 1 / 1\nHi"},
            {"role": "assistant", "content": "<p>Hello</p>"},
        ],
        "source": f"{dump}#0",
    }
    assert second["messages"] == [{"role": "assistant", "content": "...and so on."}]


def test_there_and_back_is_the_same_file(dump: Path) -> None:
    names = ("sharegpt", "messages", "sharegpt")
    paths = [dump, *(dump.parent / f"{number}.jsonl" for number in range(3))]
    for to, (source, target) in zip(names, pairwise(paths), strict=True):
        assert convert([source], to=to, out=target).written == 2
    assert paths[1].read_bytes() == paths[3].read_bytes()


def test_a_conversation_without_a_pair_is_named_not_written(dump: Path) -> None:
    done = convert([dump], to="alpaca", out=dump.parent / "out.jsonl")
    assert (done.written, done.not_held) == (1, {"id": 1, "leading_reply": 1})


def test_half_a_surrogate_pair_survives(tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text(r'[{"id": "a", "conversations": [{"from": "human", "value": "é \ud83d"}]}]')
    convert([tmp_path / "dump.json"], to="messages", out=tmp_path / "out.jsonl")
    assert lines_of(tmp_path / "out.jsonl")[0]["messages"][0]["content"] == "é \ud83d"


def test_a_dump_that_alpaca_cannot_hold_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text(json.dumps(RECORDS[1:]))
    with pytest.raises(InputError, match="not one conversation that --to alpaca can hold"):
        convert([tmp_path / "dump.json"], to="alpaca", out=tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["dump.json"]


def test_tools_go_there_and_back(tmp_path: Path, shared_data: Path) -> None:
    dump = shared_data / "other_formats" / "llamafactory_glaive_toolcall_en.json"
    there, back = tmp_path / "there.jsonl", tmp_path / "back.jsonl"
    assert not convert([dump], to="messages", out=there).not_held
    done = convert([there], to="sharegpt", out=back)
    assert not done.not_held
    assert not done.unreadable
    first = next(line for line in map(json.loads, there.read_text().splitlines()) if "tools" in line)
    assert first["tools"][0]["function"]["parameters"]["type"] == "object"
    calls = [message["tool_calls"] for message in first["messages"] if "tool_calls" in message]
    assert isinstance(json.loads(calls[0][0]["function"]["arguments"]), dict)
    for before, after in zip(json.loads(dump.read_text()), map(json.loads, back.read_text().splitlines()), strict=True):
        assert tools_of(before["tools"]) == tools_of(after.get("tools", "[]"))
        for turn, same in zip(before["conversations"], after["conversations"], strict=True):
            if turn["from"] == "function_call":
                assert same["from"] == "function_call"
                assert calls_of(same["value"]) == calls_of(turn["value"]) != ()
            else:
                assert same["value"] == turn["value"]
    assert convert([dump], to="alpaca", out=back).not_held["tools_definition"] == 191
