from hypothesis import given
from hypothesis import strategies as st

from templates.visible import visible


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert visible("a\tb\n\x00\u202e\u00a0\ud83d") == "a→\tb⏎\n\\x00\\u202e\\xa0\\ud83d"


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_unseen_is_left(text: str) -> None:
    assert all(character.isprintable() or character in "\n\t" for character in visible(text))
    assert visible(text).count("\n") == text.count("\n")
    visible(text).encode()
