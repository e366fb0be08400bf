"""Each format by a small record of its kind; and whatever JSON holds, it is read or named."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.readers import parse
from data_tools.readers.formats import format_of
from data_tools.records import FORMATS, Branches, RawRecord, Record, Turn
from data_tools.rules.cleaner import clean_record
from data_tools.rules.roles import repair


def read(value: object, branches: Branches = "main", format: str = "") -> list[Record]:
    return parse(RawRecord("dump.json", 0, value, format), branches=branches)


def said(record: Record) -> list[tuple[str | None, str, str]]:
    return [(turn.role, turn.text, turn.rule) for turn in record.turns]


HI, HELLO = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}
STATE = {"roles": ["USER", "ASSISTANT"], "offset": 0, "messages": [["USER", "Hi"], ["ASSISTANT", "Hello!"]]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sharegpt", {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]}),
        ("sharegpt", {"conversations": [HI, HELLO]}),
        ("messages", {"messages": [HI, HELLO]}),
        ("messages", {"conversation": [HI, HELLO]}),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, HELLO]}),
        ("messages", {"input": [HI], "ideal": "Hello!"}),
        ("pairs", {"conversation_id": "x", "conversation": [{"human": "Hi", "assistant": "Hello!"}]}),
        ("marked-text", {"id": "x", "text": "\n<|user|>: Hi\n\n<|bot|>: Hello!\n\n"}),
        ("alpaca", {"instruction": "Hi", "input": "", "output": "Hello!"}),
        ("alpaca", {"instruction": "", "context": "Hi", "response": "Hello!"}),
        ("alpaca", {"instruction": "Hi", "instances": [{"input": "", "output": "Hello!"}]}),
        ("fastchat-log", {"type": "chat", "state": STATE}),
        ("openassistant", {"prompt": {"role": "prompter", "text": "Hi", "replies": [
            {"role": "assistant", "text": "Hello!", "replies": []}]}}),
    ],
)  # fmt: skip
def test_one_pair_in_every_layout(name: str, value: dict[str, Any]) -> None:
    assert format_of(value) == name
    [record] = read(value)
    assert said(record) == [("user", "Hi", ""), ("assistant", "Hello!", "")]


@pytest.mark.parametrize(
    ("spelling", "role"),
    [("human", "user"), ("GPT ", "assistant"), ("bing", "assistant"), ("bard", "assistant"), ("chatgpt", "assistant"),
     ("model", "assistant"), ("system", "system"), ("observation", "tool"), ("function_call", "tool")],
)  # fmt: skip
def test_role_spellings(spelling: str, role: str) -> None:
    assert read({"conversations": [{"from": spelling, "value": "x"}]})[0].turns[0].role == role


def test_bad_turns_are_rejected_alone_by_name() -> None:
    items: list[object] = [
        {"from": "human", "value": "Hi"}, "text", {"value": "x"}, {"from": "gpt"}, {"from": "gpt", "value": None},
        {"from": "narrator", "value": "x"}, {"from": ["gpt"], "value": "x"},
    ]  # fmt: skip
    [record] = read({"id": 7, "conversations": items})
    assert record.id == "7"
    assert [turn.rule for turn in record.turns] == [
        "", "not_a_turn", "not_a_turn", "not_a_turn", "not_text", "unknown_role", "unknown_role",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "rule"),
    [("text", "not_an_object"), ([1], "not_an_object"), ({"id": "a"}, "no_conversations"),
     ({"conversations": "Hi"}, "no_conversations"), ({"conversations": []}, "no_conversations")],
)  # fmt: skip
def test_a_bad_record_has_one_row(value: object, rule: str) -> None:
    [record] = read(value)
    assert [(turn.index, turn.role, turn.rule) for turn in record.turns] == [(-1, None, rule)]


def test_system_and_tools_keys() -> None:
    [record] = read({"system": "Be kind.", "tools": "[{}]", "messages": [HI]})
    assert record.turns == [
        Turn(-1, "system", "Be kind."), Turn(-2, None, "[{}]", "tools_definition"), Turn(0, "user", "Hi"),
    ]  # fmt: skip
    assert record.id == "dump#0"


def test_an_id_that_utf8_cannot_write() -> None:
    assert read({"id": "a\ud83d", "messages": [HI]})[0].id == "a?"


def test_tool_calls_weights_and_pictures_of_messages() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    picture = {"role": "user", "content": [{"type": "text", "text": "This?"}, {"type": "image_url"}]}
    [record] = read({"messages": [{"role": "developer", "content": "x"}, picture, call, {**HELLO, "weight": 0}]})
    assert said(record) == [
        ("system", "x", ""), ("user", "", "not_text"), ("tool", '[{"id": "1"}]', ""), ("assistant", "Hello!", ""),
    ]  # fmt: skip
    assert [turn.train for turn in record.turns] == [None, None, None, False]


def test_alpaca_has_history_a_system_prompt_and_several_instances() -> None:
    value = {
        "instruction": "Add.", "input": "2 and 2", "output": "4", "history": [["Hi", "Yes?"], 7], "system": "Be brief.",
    }  # fmt: skip
    assert said(read(value)[0]) == [
        ("system", "Be brief.", ""), ("user", "Hi", ""), ("assistant", "Yes?", ""), (None, "", "not_a_turn"),
        ("user", "Add.\n\n2 and 2", ""), ("assistant", "4", ""),
    ]  # fmt: skip
    seed = {"id": "s", "instruction": "Add.", "instances": [{"input": n, "output": n} for n in "12"]}
    assert [(record.id, record.turns[1].text) for record in read(seed)] == [("s_0", "1"), ("s_1", "2")]


def test_marked_text_keeps_what_stands_before_the_first_mark() -> None:
    [record] = read({"text": "Title\n<|user|>: Is <|bot|>: a mark?\n\n<|bot|>: Not there.\n"})
    assert said(record) == [
        (None, "Title\n", "not_a_turn"), ("user", "Is <|bot|>: a mark?", ""), ("assistant", "Not there.", ""),
    ]  # fmt: skip


def tree() -> dict[str, Any]:
    def message(text: str, role: str, rank: int | None, *replies: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"text": text, "role": role, "rank": rank, "replies": list(replies), **more}

    worse = message("worse", "assistant", 1)
    gone = message("gone", "assistant", 0, deleted=True)
    lonely = message("hm", "prompter", None)
    best = message("best", "assistant", 0, lonely, message("thanks", "prompter", None, message("sure", "assistant", 0)))
    return {"message_tree_id": "t", "prompt": message("Hi", "prompter", None, worse, gone, best)}


def test_of_a_tree_the_best_path_is_taken_and_the_rest_named() -> None:
    [record] = read(tree())
    assert [(turn.text, turn.rule) for turn in record.turns] == [
        ("Hi", ""), ("best", ""), ("thanks", ""), ("sure", ""), ("worse", "other_branch"), ("gone", "deleted"),
        ("hm", "other_branch"),
    ]  # fmt: skip


def test_of_all_paths_each_reply_is_taught_once() -> None:
    records = read(tree(), branches="all")
    assert [(record.id, [turn.text for turn in record.turns]) for record in records] == [
        ("t", ["Hi", "best", "thanks", "sure"]), ("t_1", ["Hi", "worse"]), ("t_2", ["Hi", "gone"]),
        ("t_3", ["Hi", "best", "hm"]),
    ]  # fmt: skip
    assert [[turn.train for turn in record.turns] for record in records[1:]] == [
        [False, None], [False, None], [False, False, None],
    ]  # fmt: skip


def export(current: str) -> dict[str, Any]:
    def node(parent: str | None, role: str, text: str, **more: Any) -> dict[str, Any]:
        content = {"content_type": "text", "parts": [text]}
        return {"parent": parent, "message": {"author": {"role": role}, "content": content, "recipient": "all", **more}}

    hidden = {"metadata": {"is_visually_hidden_from_conversation": True}}
    return {
        "conversation_id": "c",
        "current_node": current,
        "mapping": {
            "root": {"parent": None, "message": None},
            "s": node("root", "system", "", **hidden),
            "u": node("s", "user", "Hi"),
            "a": node("u", "assistant", "first try"),
            "b": node("u", "assistant", "Hello!"),
            "p": node("b", "user", "", content={"parts": [{"content_type": "image_asset_pointer"}]}),
            "t": node("p", "assistant", "", content={"content_type": "code", "text": "f()"}, recipient="python"),
            "w": node("t", "tool", "", content={"content_type": "tether_quote", "text": "page"}, weight=0),
            "n": node("w", "assistant", "", content={"content_type": "thoughts"}),
            "x": {"parent": "n", "message": "?"},
        },
    }


def test_of_an_export_the_path_that_was_shown_is_taken_and_everything_else_named() -> None:
    [record] = read(export("b"))
    assert said(record) == [
        ("system", "", "hidden_message"), ("user", "Hi", ""), ("assistant", "Hello!", ""),
        ("assistant", "first try", "other_branch"), ("user", "", "not_text"), ("tool", "f()", "other_branch"),
        ("tool", "page", "weight_0"), ("assistant", "", "reasoning"), (None, "", "not_a_turn"),
    ]  # fmt: skip
    assert [turn.text for turn in read(export("gone"))[0].turns][:3] == ["", "Hi", "Hello!"]
    assert [len(one.turns) for one in read(export("b"), branches="all")] == [3, 3, 8]


@pytest.mark.timeout(20)  # a hang, not a speed
def test_a_tree_whose_paths_repeat_each_other_is_cut_and_named() -> None:
    def node(parent: str, role: str) -> dict[str, Any]:
        return {"parent": parent, "message": {"author": {"role": role}, "content": {"parts": ["x"]}}}

    spine = {str(n): node(str(n - 1), ("user", "assistant")[n % 2]) for n in range(2000)}
    leaves = {f"leaf {n}": node(str(n), "assistant") for n in range(2000)}
    records = read({"mapping": spine | leaves, "current_node": "1999"}, branches="all")
    assert sum(len(record.turns) for record in records) < 110_000
    new = [turn for record in records for turn in record.turns if turn.train is None]
    assert sorted(turn.index for turn in new) == list(range(4000))
    assert {turn.rule for turn in new} == {"", "other_branch"}


def test_a_ring_of_nodes_ends() -> None:
    value = export("u")
    value["mapping"]["root"]["parent"] = "u"
    for branches in ("main", "all"):
        assert "Hi" in [turn.text for record in read(value, branches) for turn in record.turns]


@pytest.mark.parametrize("name", FORMATS)
def test_a_forced_format_never_fails(name: str) -> None:
    values: list[object] = [
        {}, [], "text", None, 7, {"mapping": {}}, {"prompt": {"replies": []}}, {"instruction": 1, "output": 2},
        {"state": {"messages": []}}, {"conversations": [1]},
    ]  # fmt: skip
    assert all(record.turns for value in values for record in read(value, format=name))


def test_a_rule_of_the_reader_rejects_every_turn() -> None:
    [record] = parse(RawRecord("a.json", 0, {"messages": [HI, HELLO]}, "messages", rule="duplicate_keys"))
    assert [turn.rule for turn in record.turns] == ["duplicate_keys"] * 2
    [record] = parse(RawRecord("a.jsonl", 3, '{"id": oops', rule="not_json", line=4))
    assert (record.id, record.turns) == ("line 4", [Turn(-1, None, '{"id": oops', "not_json")])


KEYS = sorted({
    "conversations", "messages", "from", "value", "role", "content", "mapping", "message", "author", "parts", "parent",
    "current_node", "prompt", "replies", "text", "rank", "instruction", "output", "history", "instances", "input",
    "ideal", "state", "states", "type", "roles", "offset", "conversation", "human", "tool_calls", "weight", "recipient",
    "metadata", "system", "tools", "id",
})  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=25,
)


@given(value=JSON, branches=st.sampled_from(["main", "all"]), format=st.sampled_from(["", *FORMATS]))
def test_whatever_json_holds_it_is_read_or_named(value: object, branches: Branches, format: str) -> None:
    for record in read(value, branches, format):
        clean_record(record)
        repair(record)
        assert record.turns
        kept = {position for group in record.message_turns for position in group}
        assert all(turn.rule or (turn.role and n in kept) for n, turn in enumerate(record.turns))


REAL = ("chatgpt_export/conversations_20.json", "other_formats/oasst_en_100_tree.jsonl", "sharegpt/sharegpt_508.json",
        "other_formats/openai_weather_functions.jsonl", "alpaca/seed_tasks_175.jsonl")  # fmt: skip


@pytest.mark.timeout(60)  # a hang, not a speed
@pytest.mark.parametrize("name", REAL)
def test_mutated_real_records_are_read_or_named(name: str, shared_data: Path) -> None:
    text = (shared_data / name).read_text(encoding="utf-8")
    records = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    small = [record for record in records if len(json.dumps(record)) < 40_000][:40]
    chance = random.Random(0)
    for number in range(400):
        value = json.loads(json.dumps(small[number % len(small)]))
        _mutate(value, chance)
        for branches in ("main", "all"):
            for record in read(value, branches):
                clean_record(record)
                repair(record)
                assert record.turns


def _mutate(value: Any, chance: random.Random) -> None:
    """Put something else in one place, deep in the value."""
    while isinstance(value, (dict, list)) and value:
        key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        inner = value[key]
        if not isinstance(inner, (dict, list)) or not inner or chance.random() < 0.2:
            value[key] = chance.choice([None, 7, "", "\x00\ud83d", [], {}, [[]], {"role": 3}, True, "<div><p>", inner])
            return
        value = inner
