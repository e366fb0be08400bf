import random

from hypothesis import given
from hypothesis import strategies as st

from data_tools.records import Record
from data_tools.split import Keys, copies, held_out, keys_of
from templates import Message

LONG = "a long text that says something of its own " * 6


def record(record_id: str, *contents: str) -> Record:
    made = Record(record_id, "a.json", 0, [])
    made.messages = [
        Message(role="assistant" if turn % 2 else "user", content=content) for turn, content in enumerate(contents)
    ]
    return made


def keys(records: list[Record], seed: int = 0) -> list[Keys]:
    return [keys_of(one, seed=seed) for one in records]


def test_the_second_of_two_equal_conversations_is_rejected() -> None:
    records = [record("a", "x", "y"), record("b", "x", "y"), record("c", "x", "z"), record("d", "xy", ""), record("e")]
    assert copies(keys(records)) == ["", "duplicate", "", "", ""]


def test_of_a_chat_that_was_written_down_again_and_again_the_longest_is_kept() -> None:
    records = [
        record("a", "x", "y"), record("a", "x", "y", "z", "w"), record("b", "x", "y"), record("a", "x", "other"),
        record("a", "x", "y", "z", "w"), record("", "x", "y"),
    ]  # fmt: skip
    assert copies(keys(records)) == ["superseded", "", "", "", "duplicate", "duplicate"]


@given(st.integers(0, 50), st.floats(0.01, 0.5))
def test_pieces_and_shared_pairs_stay_on_one_side(seed: int, fraction: float) -> None:
    records = [record(f"abcdef{n % 8}_{n}", f"question {n}", "short") for n in range(40)]
    records += [record(f"other{n}", f"first {n}", "yes", f"{LONG}{n % 5}", LONG) for n in range(20)]
    flags = held_out(keys(records, seed), fraction=fraction)
    for members in (range(40), range(40, 60)):
        sides: dict[str, set[bool]] = {}
        for member in members:
            one = records[member]
            group = one.id[:7] if member < 40 else one.messages[-2].content
            sides.setdefault(group, set()).add(flags[member])
        assert all(len(side) == 1 for side in sides.values())
    assert any(flags)
    assert not all(flags)


def test_the_split_does_not_depend_on_the_order_of_the_input() -> None:
    records = [record(f"id{n}", f"question {n}", "reply " * (n % 7 + 1)) for n in range(200)]
    chosen = {one.id for one, flag in zip(records, held_out(keys(records, 3), fraction=0.1), strict=True) if flag}
    random.Random(1).shuffle(records)
    again = {one.id for one, flag in zip(records, held_out(keys(records, 3), fraction=0.1), strict=True) if flag}
    assert chosen == again
    assert 10 <= len(chosen) <= 30
    assert held_out(keys(records, 3), fraction=0.1) != held_out(keys(records, 4), fraction=0.1)


def test_one_huge_conversation_is_not_held_out() -> None:
    records = [record("huge", "q", "word " * 100_000), *(record(f"id{n}", f"q{n}", "reply " * 20) for n in range(9))]
    for seed in range(20):
        assert not held_out(keys(records, seed), fraction=0.05)[0]


def test_nothing_is_held_out_where_nothing_can_be() -> None:
    assert held_out(keys([record("a", "x", "y")]), fraction=0.5) == [False]
    assert held_out(keys([record("a", "x", "y"), record("b", "x", "z")]), fraction=0) == [False, False]
    assert sum(held_out(keys([record("a", "x", "y"), record("b", "x", "z")]), fraction=0.001)) == 1
