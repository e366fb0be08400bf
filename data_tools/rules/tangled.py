"""HTML that no page rendered: nested so deeply, or left open so often, that parsing it would take forever."""

import numpy as np
import numpy.typing as npt

_SMALL = np.uint8(0x20)  # what makes a letter of ASCII a small one
# Names are compared as numbers of eight bytes; those that are looked for have at most six letters.
_NAME = 7


def _numbers(*names: str) -> npt.NDArray[np.uint64]:
    return np.array([int.from_bytes(name.encode(), "little") for name in names], dtype=np.uint64)


_VOID = _numbers(
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
# What a parser opens anew in each block where it was left open.
_FORMATTING = _numbers(
    *("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)
# Shorter texts are parsed in a few milliseconds whatever is in them.
_LONG = 5_000
# A rendered reply is nested some twenty deep; the parser's time grows with the square of the depth. With no more tags
# than this nothing else can be the matter either.
_DEEPEST = 400
# The elements that a parser adds for formatting that is left open, at most.
_MOST_ADDED = 200_000


def is_tangled(html: str) -> bool:
    """Whether a parser would need more than a moment for this: such a text is kept as it is, as text.

    >>> is_tangled("<div><p>x</p></div>" * 1000), is_tangled("<div>" * 1000 + "</div>" * 1000)
    (False, True)
    """
    if len(html) < _LONG or html.count("<") <= _DEEPEST:
        return False
    steps, names = _tags(html)
    counts = ~np.isin(names, _VOID)
    steps, names = steps[counts], names[counts]
    deepest = int(np.cumsum(steps).max(initial=0))
    most = int(np.cumsum(np.where(np.isin(names, _FORMATTING), steps, 0)).max(initial=0))
    return deepest > _DEEPEST or max(0, most - 10) * len(steps) > _MOST_ADDED


def _tags(html: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """For each tag 1 where it opens and -1 where it closes, and the beginning of its name as a number."""
    codes = np.frombuffer(html.encode("utf-8", "surrogatepass") + bytes(_NAME + 2), dtype=np.uint8)
    at = np.flatnonzero(codes == ord("<")) + 1
    closing = codes[at] == ord("/")
    at += closing
    named = _is_letter(codes[at] | _SMALL)
    at, closing = at[named], closing[named]
    names, goes_on = np.zeros(len(at), dtype=np.uint64), np.ones(len(at), dtype=bool)
    for place in range(_NAME):
        spelled = codes[at + place]
        letters = spelled | _SMALL
        goes_on &= _is_letter(letters) | ((spelled >= ord("0")) & (spelled <= ord("9")))
        names |= np.where(goes_on, letters, 0).astype(np.uint64) << np.uint64(8 * place)
    return 1 - 2 * closing.astype(np.int64), names


def _is_letter(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return (codes >= ord("a")) & (codes <= ord("z"))
