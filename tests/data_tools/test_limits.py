from data_tools.limits import keep_pairs, teach_only_last
from data_tools.records import Record, Turn
from data_tools.rules.roles import repair


def record(*roles: str) -> Record:
    made = Record("a", "a.json", 0, [Turn(n, role, f"{role} {n}") for n, role in enumerate(roles)])  # type: ignore[arg-type]
    repair(made, leading_reply="context")
    return made


def test_the_first_pairs_are_kept_and_the_rest_is_named() -> None:
    one = record("system", "assistant", "user", "user", "assistant", "user", "assistant")
    keep_pairs(one, 1)
    assert [message.role for message in one.messages] == ["system", "assistant", "user", "assistant"]
    assert [turn.rule for turn in one.turns] == ["", "", "", "merged", "", "max_pairs", "max_pairs"]
    keep_pairs(one, 1)
    assert len(one.messages) == len(one.message_turns) == 4


def test_only_the_last_reply_is_taught() -> None:
    one = record("user", "assistant", "user", "assistant")
    teach_only_last(one)
    assert [message.train for message in one.messages] == [None, False, None, None]
