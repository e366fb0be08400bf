"""Documents as columns of numbers, their tokens in a file: what the main process keeps of millions of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from data_tools.spool import Spools, Written
from data_tools.windows import BoolArray, Document, IntArray, Piece

# A document: its conversation's number, the messages that it teaches (`start` to `end`), its tokens and how many of
# them are supervised, and how many pairs it may be cut between.
ROW = np.dtype([(name, "<i4") for name in ("conversation", "start", "end", "length", "supervised", "pairs")])

Rows = npt.NDArray[np.void]
LongArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Documents:
    """Some documents: a `ROW` each, the lengths of their pairs one after another, and their tokens.

    `tokens` holds, for each document, its ids as 32-bit numbers and then its mask, a byte each, or is where that
    stands.
    """

    rows: Rows
    pair_lengths: IntArray
    tokens: bytes | Written


def columns_of(documents: Sequence[Document]) -> Documents:
    """The columns of documents."""
    rows = np.array(
        [
            (
                one.conversation,
                one.piece.start,
                one.piece.end,
                len(one.ids),
                sum(one.supervised.values()),
                len(one.pairs),
            )
            for one in documents
        ],
        dtype=ROW,
    )
    pair_lengths = np.array([length for one in documents for length in one.pairs], dtype=np.int32)
    tokens = b"".join(part for one in documents for part in (one.ids.data, one.mask.data))
    return Documents(rows, pair_lengths, tokens)


def pieces_of(row: np.void, cuts: Sequence[int], *, conversation: int) -> list[Piece]:
    """The pieces of a document that is cut after these of its pairs.

    >>> pieces_of(np.array((7, 1, 9, 900, 400, 4), dtype=ROW)[()], [1, 3], conversation=0)
    [Piece(conversation=0, lead=1, start=1, end=3), Piece(conversation=0, lead=3, start=3, end=7),
    Piece(conversation=0, lead=7, start=7, end=9)]
    """
    bounds = [int(row["start"]), *(int(row["start"]) + 2 * pair for pair in cuts), int(row["end"])]
    return [Piece(conversation, start, start, end) for start, end in pairwise(bounds)]


class DocumentStore:
    """Collects documents, and gives their tokens back one by one."""

    def __init__(self, spools: Spools) -> None:
        self._spools = spools
        self._rows: list[Rows] = []
        self._pairs: list[IntArray] = []
        self._places: list[int] = []

    def add(self, documents: Documents, *, conversations: int) -> None:
        """Take documents whose conversations are counted from `conversations` on."""
        rows = documents.rows.copy()
        rows["conversation"] += conversations
        self._rows.append(rows)
        self._pairs.append(documents.pair_lengths)
        self._places.append(self._spools.place(documents.tokens))

    @property
    def count(self) -> int:
        """How many documents were taken."""
        return sum(map(len, self._rows))

    def finish(self) -> "StoredDocuments":
        """All documents so far, in the order in which they came."""
        rows = np.concatenate([np.empty(0, dtype=ROW), *self._rows])
        sizes = 5 * rows["length"].astype(np.int64)
        counts = [len(one) for one in self._rows]
        first_of = np.repeat(np.cumsum([0, *counts])[:-1], counts)
        before = np.concatenate(([0], np.cumsum(sizes)))[:-1]
        places = np.repeat(np.array(self._places, dtype=np.int64), counts) + before - before[first_of]
        ends = np.cumsum(rows["pairs"], dtype=np.int64)
        flat = np.concatenate([np.empty(0, dtype=np.int32), *self._pairs])
        return StoredDocuments(rows, places, flat, ends, self._spools)


@dataclass(frozen=True, slots=True)
class StoredDocuments:
    """Documents in the order of their conversations, or some of them; `places` are those of their tokens."""

    rows: Rows
    places: LongArray
    pair_lengths: IntArray
    pair_ends: LongArray
    spools: Spools

    def select(self, chosen: npt.NDArray[np.intp] | BoolArray) -> "StoredDocuments":
        """Some of the documents."""
        return StoredDocuments(
            self.rows[chosen], self.places[chosen], self.pair_lengths, self.pair_ends[chosen], self.spools
        )

    def joined(self, others: "StoredDocuments") -> "StoredDocuments":
        """These and others from the same store, in the order of their conversations."""
        rows = np.concatenate((self.rows, others.rows))
        order = np.lexsort((rows["start"], rows["conversation"]))
        return StoredDocuments(
            rows[order],
            np.concatenate((self.places, others.places))[order],
            others.pair_lengths,
            np.concatenate((self.pair_ends, others.pair_ends))[order],
            self.spools,
        )

    def lengths(self) -> list[int]:
        """The tokens of each document."""
        return list(self.rows["length"].tolist())

    def pairs(self) -> list[list[int]]:
        """The lengths of the pairs of each document."""
        counts = self.rows["pairs"].tolist()
        return [
            self.pair_lengths[end - count : end].tolist()
            for end, count in zip(self.pair_ends.tolist(), counts, strict=True)
        ]

    def tokens(self, numbers: Sequence[int]) -> Iterator[tuple[IntArray, BoolArray]]:
        """The ids and the mask of documents."""
        for number in numbers:
            length = int(self.rows[number]["length"])
            data = self.spools.read(int(self.places[number]), 5 * length)
            yield np.frombuffer(data, np.int32, length), np.frombuffer(data, np.bool_, length, 4 * length)
