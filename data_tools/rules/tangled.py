"""HTML that no page rendered: nested so deeply, or left open so often, that parsing it would take forever."""

import re

_TAGS = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
# What a parser opens anew in each block where it was left open.
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)
# Shorter texts are parsed in a few milliseconds whatever is in them.
_LONG = 5_000
# A rendered reply is nested some twenty deep; the parser's time grows with the square of the depth.
_DEEPEST = 400
# The elements that a parser adds for formatting that is left open, at most.
_MOST_ADDED = 200_000


def is_tangled(html: str) -> bool:
    """Whether a parser would need more than a moment for this: such a text is kept as it is, as text.

    >>> is_tangled("<div><p>x</p></div>" * 1000), is_tangled("<div>" * 1000 + "</div>" * 1000)
    (False, True)
    """
    if len(html) < _LONG:
        return False
    depth = formatting = tags = deepest = most = 0
    for closing, spelled in _TAGS.findall(html):
        name = spelled.lower()
        if name in _VOID:
            continue
        step = -1 if closing else 1
        depth += step
        tags += 1
        deepest = max(deepest, depth)
        if name in _FORMATTING:
            formatting += step
            most = max(most, formatting)
    return deepest > _DEEPEST or max(0, most - 10) * tags > _MOST_ADDED
