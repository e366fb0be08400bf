"""Pairs that are longer than a window: the prompt gives way first, and the reply is kept whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from templates import Encoded, Message
from templates.encoder import Encoder

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

MARKER = "\n[...]\n"
# How much of the reply so far a continued document repeats, at most, as context.
_TAIL = 128


@dataclass(slots=True)
class FittedPair:
    """A pair whose prompt leaves room for its reply: its encoding, and the turns that were shortened for it."""

    messages: list[Message]
    kept: list[int]  # characters kept of each message
    encoded: Encoded
    shortened: set[int] = field(default_factory=set)
    rule: str = ""  # why its reply cannot be taught


def shorten(text: str, keep: int) -> str:
    """The first and the last part of a text with a visible mark between them.

    >>> shorten("one two three four", 8)
    'one \\n[...]\\nfour'
    """
    if keep >= len(text):
        return text
    head = (keep + 1) // 2
    return text[:head] + MARKER + text[len(text) - (keep - head) :]


def fit_pairs(
    pairs: Sequence[tuple[Sequence[Message], Encoded]], *, encoder: Encoder, window: int, header: int
) -> list[FittedPair]:
    """Shorten the prompt of each pair, from the middle, until its whole reply fits the window beside it.

    `pairs` are messages, perhaps a system's, then a user's and an assistant's, with their encoding. A reply that
    is too long for any prompt leaves the prompt a quarter of the window; `cut_reply` then spreads it.
    """
    fitted = [FittedPair(list(pair), [len(message.content) for message in pair], encoded) for pair, encoded in pairs]
    waiting = fitted
    while waiting := [pair for pair in waiting if _shrink(pair, window=window, header=header)]:
        encodings = encoder.encode([_shortened(pair) for pair in waiting])
        for pair, encoded in zip(waiting, encodings, strict=True):
            pair.encoded = encoded
    return fitted


def _shortened(pair: FittedPair) -> list[Message]:
    return [
        replace(message, content=shorten(message.content, keep))
        for message, keep in zip(pair.messages, pair.kept, strict=True)
    ]


def _shrink(pair: FittedPair, *, window: int, header: int) -> bool:
    """Take from the user's text, then from the system's, what the prompt has too much; False where that is done."""
    mask = pair.encoded.mask_array
    if not mask.any():
        pair.rule = pair.encoded.rejected[-1][1] if pair.encoded.rejected else "no_supervised_reply"
        return False
    prompt, reply = int(mask.argmax()), int(np.count_nonzero(mask))
    allowed = max(window - reply, window // 4, header + 24)
    if prompt <= allowed:
        return False
    turn = len(pair.messages) - 2
    if not pair.kept[turn] and turn:
        turn = 0
    if not pair.kept[turn]:
        pair.rule = "prompt_too_long"
        return False
    ends = [0, *pair.encoded.turn_ends]
    length = ends[turn + 1] - ends[turn]
    share = max(0.0, 1 - (prompt - allowed + 2) / max(1, length))
    pair.kept[turn] = min(pair.kept[turn] - 1, int(pair.kept[turn] * share))
    pair.shortened.add(turn)
    return True


def cut_reply(encoded: Encoded, *, window: int) -> list[tuple[IntArray, BoolArray]]:
    """The documents of a pair: one where it fits, else the reply goes on after the prompt and a tail of it so far.

    Each supervised token is supervised in exactly one document, and the stop token stands only in the last. The
    prompt must leave some of the window to the reply.

    >>> pair = Encoded(np.array([1, 2, 3, 4, 5, 6, 7, 8]), np.array([False, False, *[True] * 6]))
    >>> [(ids.tolist(), int(mask.sum())) for ids, mask in cut_reply(pair, window=6)]
    [([1, 2, 3, 4, 5, 6], 4), ([1, 2, 7, 8], 2)]
    """
    ids, mask = encoded.id_array.view(np.int32), encoded.mask_array
    supervised = np.flatnonzero(mask)
    prompt, end = int(supervised[0]), int(supervised[-1]) + 1
    at = min(window, end)
    documents = [(ids[:at], mask[:at])]
    while at < end:
        tail = min(_TAIL, window // 8, (window - prompt) // 2, at - prompt)
        stop = min(end, at + window - prompt - tail)
        part = np.concatenate((ids[:prompt], ids[at - tail : stop]))
        taught = np.zeros(len(part), dtype=np.bool_)
        taught[prompt + tail :] = True
        documents.append((part, taught))
        at = stop
    return documents
