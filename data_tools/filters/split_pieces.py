"""Keeps the first piece of each split conversation, so that none is taught without what came before it."""

from collections.abc import Sequence

from data_tools.filters import Verdict
from data_tools.pieces import piece_of
from data_tools.records import Record


class SplitPieceFilter:
    """Rejects, as `split_piece`, all pieces of one id but that with the lowest number, and names the one kept."""

    def features(self, records: Sequence[Record]) -> list[str]:
        """The conversations' ids."""
        return [record.id for record in records]

    def decide(self, values: Sequence[str]) -> list[Verdict | None]:
        """A verdict for each further piece, wherever it stands in the input.

        >>> SplitPieceFilter().decide(["hRPPgZT_8", "hRPPgZT_0", "other"])
        [Verdict(rule='split_piece', because='hRPPgZT_0'), None, None]
        """
        pieces = [piece_of(value) for value in values]
        first: dict[str, tuple[int, int]] = {}
        for at, piece in enumerate(pieces):
            if piece is not None:
                first[piece.base] = min(first.get(piece.base, (piece.number, at)), (piece.number, at))
        kept = [at if piece is None else first[piece.base][1] for at, piece in enumerate(pieces)]
        return [None if one == at else Verdict("split_piece", values[one]) for at, one in enumerate(kept)]
