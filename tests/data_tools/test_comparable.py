from hypothesis import given
from hypothesis import strategies as st

from data_tools.comparable import comparable

WORDS = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5), max_size=6)


@given(WORDS, st.sampled_from([" ", "\n", " \t ", "\u00a0", "\u3000", "\r\n\x0b"]))
def test_capitals_and_spaces_are_of_no_matter(words: list[str], space: str) -> None:
    once, again = comparable(" ".join(words)), comparable(space.join(word.casefold() for word in words) + space)
    assert once.solid == again.solid
    assert len(once.spaced.split()) == len(again.spaced.split()) == len(words)
