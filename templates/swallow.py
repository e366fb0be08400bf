"""Whitespace that a control token takes with it, as Phi-3's do (the tokenizer's flags `lstrip` and `rstrip`).

The guarded tokenizer lacks these flags. The whitespace is left out of its text instead, so that each piece of text is
as long as its tokens say, and a reply that loses some of its own is known.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from templates.guard import GuardedTokenizer
from templates.spelling import Speller

# What the `tokenizers` library takes for whitespace: Unicode's White_Space, of which Python strips more.
_WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


@dataclass(slots=True)
class _Piece:
    owner: int
    text: str
    is_control: bool


def swallow(
    literals: Sequence[str], contents: Sequence[str], *, guarded: GuardedTokenizer, spell: Speller
) -> tuple[list[str], list[str]]:
    """The literals and the contents between them without the whitespace that the control tokens take.

    >>> swallow(["<|user|>\\n", "<|end|>\\n"], [" hi "], ...)     # where both take what follows them
    (['<|user|>', '<|end|>'], ['hi '])
    """
    texts = ["" for _ in (*literals, *contents)]
    texts[::2], texts[1::2] = literals, contents
    pieces = [
        _Piece(owner=owner, text=piece, is_control=at % 2 == 1)
        for owner, text in enumerate(texts)
        for at, piece in enumerate([text] if owner % 2 else spell.split(text))
    ]
    _take(pieces, guarded.takes_after, lambda text: text.lstrip(_WHITESPACE))
    _take(reversed(pieces), guarded.takes_before, lambda text: text.rstrip(_WHITESPACE))
    whole = ["" for _ in texts]
    for piece in pieces:
        whole[piece.owner] += piece.text
    return whole[::2], whole[1::2]


def _take(pieces: Iterable[_Piece], takers: frozenset[str], strip: Callable[[str], str]) -> None:
    taking = False
    for piece in pieces:
        if piece.is_control:
            taking = piece.text in takers
        elif taking:
            piece.text = strip(piece.text)
            taking = not piece.text
