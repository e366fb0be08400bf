import pytest

from data_tools.records import RawRecord, Turn, parse


@pytest.mark.parametrize(
    ("spelling", "role"),
    [("human", "user"), ("GPT ", "assistant"), ("bing", "assistant"), ("bard", "assistant"), ("chatgpt", "assistant"),
     ("model", "assistant"), ("system", "system"), ("observation", "tool"), ("function_call", "tool")],
)  # fmt: skip
def test_role_spellings(spelling: str, role: str) -> None:
    record = parse(RawRecord("a.json", 0, {"conversations": [{"from": spelling, "value": "x"}]}))
    assert record.turns[0].role == role


def test_bad_turns_are_rejected_alone_by_name() -> None:
    items: list[object] = [
        {"from": "human", "value": "Hi"}, "text", {"value": "x"}, {"from": "gpt"}, {"from": "gpt", "value": None},
        {"from": "narrator", "value": "x"}, {"from": ["gpt"], "value": "x"},
    ]  # fmt: skip
    record = parse(RawRecord("a.json", 3, {"id": 7, "conversations": items}))
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
    assert parse(RawRecord("a.json", 0, value)).turns == [Turn(-1, None, "", rule)]


def test_a_system_key_leads_and_messages_are_read_too() -> None:
    record = parse(RawRecord("a.json", 0, {"system": "Be kind.", "messages": [{"role": "user", "content": "Hi"}]}))
    assert record.turns == [Turn(-1, "system", "Be kind."), Turn(0, "user", "Hi")]
    assert record.id == "a#0"
