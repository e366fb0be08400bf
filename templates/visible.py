"""Text for the eye: no character of it is unseen, and none commands a terminal."""


def visible(text: str) -> str:
    """The text with its line ends and tabs marked, and other unseen characters escaped.

    >>> visible("a\\tb\\n\\x1b")
    'a→\\tb⏎\\n\\\\x1b'
    """
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\n\t":
        return {"\n": "⏎\n", "\t": "→\t"}[character]
    return character if character.isprintable() else character.encode("unicode_escape").decode()
