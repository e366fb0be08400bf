"""Packing: which documents share a window, so that hardly a position of a window is wasted."""

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence


def pack(lengths: Sequence[int], *, window: int, seed: int) -> list[list[int]]:
    """Best-fit-decreasing bin packing: the documents of each window, as indices into `lengths`.

    Each document, the longest first, goes where it leaves the least room. The order of the windows is shuffled by
    `seed`. Takes O(n log n) for n documents. Raises ValueError where a document is longer than the window.
    Source: Johnson, Near-optimal bin packing algorithms, 1973.

    >>> pack([5, 7, 3, 4], window=10, seed=0)
    [[1, 2], [0, 3]]
    """
    if lengths and max(lengths) > window:
        raise ValueError(f"a document of {max(lengths)} tokens does not fit a window of {window}")
    windows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(window + 1)]  # windows by the room that is left in them
    rooms: list[int] = []  # the rooms that some window has, sorted
    for document in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[document]
        place = bisect_left(rooms, length)
        if place == len(rooms):
            room, chosen = window, len(windows)
            windows.append([])
        else:
            room = rooms[place]
            chosen = with_room[room].pop()
            if not with_room[room]:
                del rooms[place]
        windows[chosen].append(document)
        left = room - length
        if not with_room[left]:
            insort(rooms, left)
        with_room[left].append(chosen)
    random.Random(seed).shuffle(windows)  # noqa: S311 an order, not a secret
    return windows


# A window with less room than this counts as full: another cut would cost more in repeated system prompts.
_FULL = 16
# How many of the longest documents are tried for a cut that fills a window.
_CANDIDATES = 512


def cuts_to_fit(lengths: Sequence[int], pairs: Sequence[Sequence[int]], *, window: int) -> dict[int, list[int]]:
    """Where to cut documents between their pairs so that all pack into fewer windows.

    Long conversations make documents that nearly fill a window, and where short ones are scarce, nothing fills the
    rest. `pairs` are the lengths of each document's pairs, empty where it must not be cut; both parts of a cut repeat
    what stands before the first pair. Returns, for each document to cut, after which of its pairs.

    >>> cuts_to_fit([100, 100, 60], [[], [], [20, 30]], window=130)
    {2: [1]}
    """
    cutter = _Cutter(lengths, pairs)
    while cutter.pool:
        cutter.fill_window(window)
    return {document: sorted(cuts) for document, cuts in cutter.cuts.items()}


class _Cutter:
    """Fills one window after another from a pool of (length, document, first pair), sorted by length."""

    def __init__(self, lengths: Sequence[int], pairs: Sequence[Sequence[int]]) -> None:
        self.pairs = pairs
        self.headers = [length - sum(of_one) for length, of_one in zip(lengths, pairs, strict=True)]
        self.pool = sorted((length, document, 0) for document, length in enumerate(lengths))
        self.cuts: dict[int, list[int]] = {}

    def fill_window(self, window: int) -> None:
        room = window - self.pool.pop()[0]
        while room > _FULL and self.pool:
            place = bisect_right(self.pool, (room, len(self.pairs), 0)) - 1
            whole = self.pool[place][0] if place >= 0 else 0
            cut = self._cut_for(room) if room - whole > _FULL else None
            if cut is not None:
                room -= self._apply(*cut)
            elif place >= 0:
                room -= self.pool.pop(place)[0]
            else:
                return

    def _cut_for(self, room: int) -> tuple[int, int, int] | None:
        """The best cut that makes a window full: place in the pool, pair to cut after, length of the first part."""
        best: tuple[int, int, int] | None = None
        for place in range(len(self.pool) - 1, max(-1, len(self.pool) - 1 - _CANDIDATES), -1):
            _, document, first = self.pool[place]
            pairs, length = self.pairs[document], self.headers[document]
            for pair in range(first, len(pairs) - 1):
                length += pairs[pair]
                if length > room:
                    break
                if room - length <= _FULL and (best is None or length > best[2]):
                    best = (place, pair + 1, length)
        return best

    def _apply(self, place: int, pair: int, length: int) -> int:
        _, document, _ = self.pool.pop(place)
        self.cuts.setdefault(document, []).append(pair)
        rest = self.headers[document] + sum(self.pairs[document][pair:])
        insort(self.pool, (rest, document, pair))
        return length
