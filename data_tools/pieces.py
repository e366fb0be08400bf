"""Pieces of split conversations: dumps were cut into records such as `hRPPgZT_0` and `hRPPgZT_8`.

FastChat's splitter, which made the ShareGPT dumps in use, names each piece by the conversation's id and the place of
its first turn.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, cast

from data_tools.readers.turns import role_of
from data_tools.records import RawRecord

# What the ledger and the manifest call the turns of a piece that was joined to the one before it.
JOINED = "joined_piece"
# ShareGPT's ids have seven characters, hashes and UUIDs many and a digit; `seed_task_12` is no piece of anything.
_PIECE = re.compile(r"([A-Za-z0-9_-]{7}|[A-Za-z0-9_-]{16,})_(\d{1,9})")
_SHAREGPT = 7


class Piece(NamedTuple):
    """The conversation's id, and where the piece begins in it."""

    base: str
    number: int


def piece_of(record_id: str) -> Piece | None:
    """What an id says of the conversation that it is a piece of, if it has the form.

    >>> piece_of("hRPPgZT_8"), piece_of("seed_task_12")
    (Piece(base='hRPPgZT', number=8), None)
    """
    found = _PIECE.fullmatch(record_id)
    if found is None or not (len(found[1]) == _SHAREGPT or any(map(str.isdigit, found[1]))):
        return None
    return Piece(found[1], int(found[2]))


def join_pieces(raws: Iterable[RawRecord]) -> Iterator[RawRecord]:
    """The records of dumps, those that directly continue the one before them joined to it; one is held back at a time.

    A ShareGPT record continues the one before it in its file where both are pieces of one id, all but their turns is
    the same, and it begins where the other ends: by its number, which then counts turns (`_0` with eight of them, then
    `_8`), or because the other ends with a question and it opens with the reply (`_0`, then `_1`).
    """
    waiting: list[RawRecord] = []
    for raw in raws:
        if waiting and not _continues(waiting[-1], raw):
            yield _joined(waiting)
            waiting = []
        waiting.append(raw)
    if waiting:
        yield _joined(waiting)


def _continues(before: RawRecord, raw: RawRecord) -> bool:
    first, second = _shape(before), _shape(raw)
    if first is None or second is None or raw.file != before.file or first.base != second.base:
        return False
    if second.number == first.number + len(first.turns):
        return bool(first.turns) and first.rest == second.rest
    is_next = second.number == first.number + 1 and first.rest == second.rest
    return is_next and _role(first.turns[-1:]) == "user" and _role(second.turns[:1]) == "assistant"


class _Shape(NamedTuple):
    """A piece's id and turns, and all else that its record says."""

    base: str
    number: int
    turns: list[object]
    rest: dict[str, object]


def _shape(raw: RawRecord) -> _Shape | None:
    value = raw.value
    if raw.rule or raw.format != "sharegpt" or not isinstance(value, dict):
        return None
    piece, turns = piece_of(str(value.get("id"))), value.get("conversations")
    if piece is None or not isinstance(turns, list):
        return None
    return _Shape(*piece, turns, {key: part for key, part in value.items() if key not in ("id", "conversations")})


def _role(turns: list[object]) -> str | None:
    """The role of the one turn, if there is one and it has one."""
    [turn] = turns or [None]
    return role_of(turn.get("from")) if isinstance(turn, dict) else None


def _joined(pieces: list[RawRecord]) -> RawRecord:
    """One record of pieces: the first one's, with the turns of all."""
    if len(pieces) == 1:
        return pieces[0]
    values = [cast("dict[str, Any]", piece.value) for piece in pieces]
    turns = [turn for value in values for turn in value["conversations"]]
    own = len(values[0]["conversations"])
    return replace(
        pieces[0],
        value=values[0] | {"conversations": turns},
        joined=len(pieces) - 1,
        own_turns=own,
        text=b"",
        place=None,
    )
