"""The windows of one part: its documents packed, and some cut once more where that fills the windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from data_tools.collected import Collected
from data_tools.documents import StoredDocuments, pieces_of
from data_tools.maker import CutJob, Maker
from data_tools.packing import cuts_to_fit, pack
from data_tools.windows import Piece
from data_tools.workers import Workers

# Where the windows are less full than this, some documents are cut once more; mixed dumps seldom need it.
FULL_ENOUGH = 0.9975
# Documents that one job cuts.
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Fitted:
    """A part: how many conversations it was given, its documents, and which of them share a window."""

    conversations_in: int
    documents: StoredDocuments
    windows: list[list[int]]


def fit(made: Collected, numbers: Sequence[int], pool: Workers[Maker], *, window: int, seed: int) -> Fitted:
    """Pack the documents of the records with these numbers."""
    everything = made.documents.finish()
    documents = everything.select(np.isin(everything.rows["conversation"], numbers))
    windows = pack(documents.lengths(), window=window, seed=seed)
    if sum(documents.lengths()) < FULL_ENOUGH * len(windows) * window:
        cuts = cuts_to_fit(documents.lengths(), documents.pairs(), window=window)
        smaller = _cut(documents, cuts, made, pool)
        fuller = pack(smaller.lengths(), window=window, seed=seed)
        # Each cut costs a system prompt more and takes context away: only fewer windows are worth that.
        if len(fuller) < len(windows):
            documents, windows = smaller, fuller
    return Fitted(len(numbers), documents, windows)


def _cut(
    documents: StoredDocuments, cuts: Mapping[int, Sequence[int]], made: Collected, pool: Workers[Maker]
) -> StoredDocuments:
    """The documents with some of them cut, each after the given pairs."""
    whole = np.ones(len(documents.rows), dtype=np.bool_)
    whole[list(cuts)] = False
    before = made.documents.count
    chosen = sorted(cuts)
    for first, result in zip(
        range(0, len(chosen), _BATCH), pool.map(Maker.cut, _jobs(documents, chosen, cuts, made)), strict=True
    ):
        of_line = documents.rows["conversation"][chosen[first : first + _BATCH]]
        result.rows["conversation"] = of_line[result.rows["conversation"]]
        made.documents.add(result, conversations=0)
    return documents.select(whole).joined(made.documents.finish().select(np.arange(before, made.documents.count)))


def _jobs(
    documents: StoredDocuments, chosen: Sequence[int], cuts: Mapping[int, Sequence[int]], made: Collected
) -> Iterator[CutJob]:
    left = iter(chosen)
    while batch := list(islice(left, _BATCH)):
        lines: list[bytes] = []
        pieces: list[Piece] = []
        for number in batch:
            row = documents.rows[number]
            pieces += pieces_of(row, cuts[number], conversation=len(lines))
            lines.append(made.line(int(row["conversation"])))
        yield CutJob(lines, pieces)
