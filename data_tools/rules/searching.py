"""Looking for words or a few characters in a text: in ASCII, as most text is, in a fraction of Python's time."""

import stringzilla


def holds(text: str, words: str) -> bool:
    """Whether words are in a text."""
    # Other text would have to be encoded first, and halves of surrogate pairs cannot be.
    return bool(stringzilla.find(text, words) >= 0) if text.isascii() else words in text


def holds_any(text: str, characters: str) -> bool:
    """Whether one of some characters is in a text.

    >>> holds_any("one\\ntwo", "\\r\\n"), holds_any("zwölf", "\\r\\n")
    (True, False)
    """
    if text.isascii():
        return bool(stringzilla.find_first_of(text, characters) >= 0)
    return any(map(text.__contains__, characters))
