"""A text as copies of it are told: whatever its capitals and spaces."""

from typing import NamedTuple

# Of ASCII: the space, and all characters before it.
LAST_SPACE = 0x20
_SPACES = bytes(range(LAST_SPACE + 1))


class Comparable(NamedTuple):
    """A text in small letters, in UTF-8: with its spaces, all of ASCII, and without them."""

    spaced: bytes
    solid: bytes


def comparable(text: str) -> Comparable:
    """A text as it is compared. To leave spaces out takes a tenth of the time of setting one between words.

    >>> comparable("Eine\\u00a0 Straße")
    Comparable(spaced=b'eine strasse', solid=b'einestrasse')
    """
    if text.isascii():
        spaced = text.lower().encode()
    else:
        spaced = " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")
    return Comparable(spaced, spaced.translate(None, _SPACES))
