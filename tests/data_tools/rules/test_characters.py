"""Texts that are plain are passed over by the rules that find nothing in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.rules.characters import is_plain
from data_tools.rules.config import Rules
from data_tools.rules.text import RULES

PASSED_OVER = [rule for rule in RULES if not rule.in_plain]
TRICKY = st.sampled_from(
    "\r\x0b\x0c\x85\u2028\x00\x7f\x9f\ufdd0\uffff\ud83d\ude00\u200b\u200d\u200f\u00ad\ufeff\uf0b7é字\n "
)


def test_each_character_that_such_a_rule_changes_is_not_plain() -> None:
    for point in [*range(0x10000), *range(0x1F300, 0x1F310), 0x10FFFF]:
        text = f"a{chr(point)}b"
        if is_plain(text):
            assert all(rule.function(text) == text for rule in PASSED_OVER), hex(point)


@given(st.text(TRICKY | st.characters()))
def test_such_rules_find_nothing_in_plain_text(text: str) -> None:
    if is_plain(text):
        assert all(rule.function(text) == text for rule in PASSED_OVER)
    else:
        assert any(not is_plain(character) for character in text)


@pytest.mark.parametrize("text", ["plain\ttext\n", "é — 字 😀", ""])
def test_most_text_is_plain(text: str) -> None:
    assert is_plain(text)
    chosen = Rules().chosen
    names = [rule.name for rule in chosen["assistant", True]]
    assert names == ["html_reply", "interface_debris", "outer_whitespace"]
    assert set(chosen["assistant", True]) < set(chosen["assistant", False])
