import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.records import Record, Turn
from data_tools.rules.roles import repair

LETTERS = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def repaired(turns: str) -> Record:
    """A record of turns by letter; a dot after a letter leaves the turn empty."""
    made: list[Turn] = []
    for letter in turns:
        if letter == ".":
            made[-1].text = " "
        else:
            made.append(Turn(len(made), LETTERS[letter], f"{letter}{len(made)}"))  # type: ignore[arg-type]
    record = Record("id", "a.json", 0, made)
    repair(record)
    return record


@pytest.mark.parametrize(
    ("turns", "messages", "rules"),
    [
        ("ua", ["u0", "a1"], ["", ""]),
        ("suaua", ["s0", "u1", "a2", "u3", "a4"], [""] * 5),
        ("uuaa", ["u0\n\nu1", "a2\n\na3"], ["", "merged", "", "merged"]),
        ("aua", ["u1", "a2"], ["leading_reply", "", ""]),
        ("uau", ["u0", "a1"], ["", "", "trailing_question"]),
        ("uaua.", ["u0", "a1"], ["", "", "question_without_reply", "empty"]),
        ("ua.ua", ["u2", "a3"], ["question_without_reply", "empty", "", ""]),
        ("uau.aua", ["u0", "a1", "u4", "a5"], ["", "", "empty", "reply_without_question", "", ""]),
        ("uaa.", ["u0", "a1"], ["", "", "empty"]),
        ("uasua", ["u0", "a1", "u3", "a4"], ["", "", "system_not_first", "", ""]),
        ("uautaua", ["u0", "a1"], ["", "", "question_without_reply", "tool_turn", *["after_tool_turn"] * 3]),
        ("suu", [], ["no_reply", "trailing_question", "trailing_question"]),
        ("a", [], ["leading_reply"]),
        ("s", [], ["no_reply"]),
    ],
)
def test_repairs(turns: str, messages: list[str], rules: list[str]) -> None:
    record = repaired(turns)
    assert [message.content for message in record.messages] == messages
    assert [turn.rule for turn in record.turns] == rules


def test_a_leading_reply_is_kept_as_context_where_asked() -> None:
    turns = [Turn(at, LETTERS[letter], f"{letter}{at}") for at, letter in enumerate("saaua")]  # type: ignore[arg-type]
    record = Record("id", "a.json", 0, turns)
    repair(record, leading_reply="context")
    assert [message.content for message in record.messages] == ["s0", "a1\n\na2", "u3", "a4"]
    assert [message.train for message in record.messages] == [None, False, None, None]
    assert record.message_turns == [[0], [1, 2], [3], [4]]
    assert [turn.rule for turn in turns] == ["", "", "merged", "", ""]
    alone = Record("id", "a.json", 0, [Turn(0, "assistant", "a0"), Turn(1, "user", "u1")])
    repair(alone, leading_reply="context")
    assert [turn.rule for turn in alone.turns] == ["leading_reply", "trailing_question"]


@given(st.from_regex(r"([suat]\.?){1,12}", fullmatch=True))
def test_the_result_alternates_and_no_turn_is_lost(turns: str) -> None:
    record = repaired(turns)
    roles = [message.role for message in record.messages if message.role != "system"]
    assert roles == ["user", "assistant"] * (len(roles) // 2)
    assert all(message.role != "system" for message in record.messages[1:])
    kept = [position for group in record.message_turns for position in group]
    rejected = [position for position, turn in enumerate(record.turns) if turn.rule not in ("", "merged")]
    assert sorted(kept + rejected) == list(range(len(record.turns)))
