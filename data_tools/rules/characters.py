"""Cleaning rules for single characters: what no one typed and no reader sees."""

import re

from data_tools.rules.searching import holds_any
from templates.conversation import has_surrogate

# Where a joiner has a meaning: after Arabic and Persian letters, the scripts of India and South-East Asia, and emoji.
_JOINING = (
    "\u0600-\u08ff\ufb50-\ufdff\ufe70-\ufefc"
    "\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff"
    "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
)
# Thai, Lao, Burmese and Khmer are written without spaces; a zero-width space may stand where a line may break.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_DIRECTION = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
_DIRECTION_MARKS = re.compile(f"[{_DIRECTION}]")
_ALWAYS_DROPPED = "\u00ad\u2060-\u2064\ufeff\ufff9-\ufffb"
# The characters come first and what stands before them after: so a text is searched at eight times the speed.
_ZERO_WIDTH = re.compile(
    f"[\u200b-\u200d{_ALWAYS_DROPPED}]"
    f"(?:(?<=[{_ALWAYS_DROPPED}])|(?<=\u200b)(?<![{_UNSPACED}]\u200b)"
    f"|(?<=[\u200c\u200d])(?<![{_JOINING}][\u200c\u200d]))"
)
_LINE_ENDINGS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# What the private-use codes of the Symbol and Wingdings fonts looked like where the text was copied from.
_SYMBOL_FONT = {
    "\uf0b7": "•", "\uf06c": "•", "\uf0a7": "▪", "\uf06e": "■", "\uf0d8": "➢", "\uf076": "❖", "\uf0fc": "✓",
    "\uf0a8": "□", "\uf06f": "□", "\uf0e0": "→", "\uf0de": "⇒",
}  # fmt: skip
_SYMBOLS = re.compile(f"[{''.join(_SYMBOL_FONT)}]")
# What any rule here looks for.
_NOT_PLAIN = re.compile(
    f"[\r\x0b\x0c\x85\u2028\u2029{_CONTROLS}\ud800-\udfff\u200b-\u200d{_ALWAYS_DROPPED}{_DIRECTION}{''.join(_SYMBOL_FONT)}]"
)
_NOT_PLAIN_ASCII = "".join(filter(_NOT_PLAIN.match, map(chr, range(128))))


def is_plain(text: str) -> bool:
    """Whether a text is without the characters that the rules here look for, as most are.

    >>> is_plain("a\\té\\n"), is_plain("a\\r\\n"), is_plain("a\u200b")
    (True, False, False)
    """
    if text.isascii():
        return not holds_any(text, _NOT_PLAIN_ASCII)
    return _NOT_PLAIN.search(text) is None


def line_endings(text: str) -> str:
    """Write every line ending as a line feed.

    >>> line_endings("a\\r\\nb\\x0bc")
    'a\\nb\\nc'
    """
    return _LINE_ENDINGS.sub("\n", text)


def lone_surrogates(text: str) -> str:
    """Join surrogate pairs and drop halves of one, which are no characters.

    >>> lone_surrogates("\\ud83d\\ude00 \\ud83d")
    '😀 '
    """
    if not has_surrogate(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return _SURROGATES.sub("", joined)


def control_characters(text: str) -> str:
    """Drop control characters and codes that are no characters (NUL, U+FFFE), but not tab and line feed."""
    return _CONTROL.sub("", text)


def zero_width(text: str) -> str:
    """Drop characters without width, but keep joiners within emoji, Persian and Indic text, and breaks within Thai.

    Direction marks stay in a text that has letters written from right to left.

    >>> zero_width("a\\u200bb\\u200d"), len(zero_width("👩\\u200d👩"))
    ('ab', 3)
    """
    text = _ZERO_WIDTH.sub("", text)
    if _DIRECTION_MARKS.search(text) is None or _RIGHT_TO_LEFT.search(text):
        return text
    return _DIRECTION_MARKS.sub("", text)


def symbol_bullets(text: str) -> str:
    """Write the bullets of symbol fonts as the bullets that they looked like."""
    return _SYMBOLS.sub(lambda found: _SYMBOL_FONT[found[0]], text)
