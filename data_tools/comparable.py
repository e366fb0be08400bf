"""A text as copies of it are told: whatever its capitals and spaces."""

# Of ASCII: the space, and all characters before it.
LAST_SPACE = 0x20
_SPACES = bytes(range(LAST_SPACE + 1))


def folded(text: str) -> bytes:
    """A text in small letters, in UTF-8, its spaces all of ASCII.

    >>> folded("Eine STRASSE"), folded("Eine\\u00a0Straße")
    (b'eine strasse', b'eine strasse')
    """
    if text.isascii():
        return text.lower().encode()
    return " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")


def without_spaces(text: bytes) -> bytes:
    """What `folded` gives, without its spaces; a tenth of the time of setting one between words.

    >>> without_spaces(b"a  rose\\n is")
    b'aroseis'
    """
    return text.translate(None, _SPACES)
