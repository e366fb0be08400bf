"""Packing: which documents share a window, so that hardly a position of a window is wasted."""

import random
from bisect import bisect_left, insort
from collections import defaultdict
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
_FULL = 8


def cuts_to_fit(lengths: Sequence[int], pairs: Sequence[Sequence[int]], *, window: int) -> dict[int, list[int]]:
    """Where to cut documents between their pairs so that all pack into fewer windows.

    Long conversations make documents that nearly fill a window, and where short ones are scarce, nothing fills the
    rest. `pairs` are the lengths of each document's pairs, empty where it must not be cut; both parts of a cut repeat
    what stands before the first pair. Returns, for each document to cut, after which of its pairs.

    >>> cuts_to_fit([100, 100, 60], [[], [], [20, 30]], window=130)
    {2: [1]}
    """
    cutter = _Cutter(lengths, pairs)
    while cutter.fill_window(window):
        pass
    return {document: sorted(cuts) for document, cuts in sorted(cutter.cuts.items())}


class _Cutter:
    """Fills one window after another, the longest part of a document first.

    A part is (document, first pair, end). It is offered whole by its length, and by the lengths of its beginnings.
    """

    def __init__(self, lengths: Sequence[int], pairs: Sequence[Sequence[int]]) -> None:
        self.pairs = pairs
        self.headers = [length - sum(of_one) for length, of_one in zip(lengths, pairs, strict=True)]
        self.cuts: dict[int, list[int]] = {}
        self.offered: set[_Part] = set()
        self.wholes, self.beginnings = _ByLength(self.offered), _ByLength(self.offered)
        for document in range(len(lengths)):
            self._offer(document, 0, len(pairs[document]))

    def fill_window(self, window: int) -> bool:
        """Fill the next window; False where no part is left."""
        length = self.wholes.longest(window)
        if length < 0:
            return False
        first = self._take(length)
        room, alone = window - length, True
        while room > _FULL:
            length = self.wholes.longest(room)
            if room - length > _FULL:
                beginning = self.beginnings.longest(room, at_least=max(0, room - _FULL))
                if beginning >= 0:
                    self._take_beginning(beginning)
                    return True
                filling = self._before_a_filling(room, length)
                if filling < 0 and alone and self._halve(first):
                    return True
                length = length if filling < 0 else filling
            if length < 0:
                return True
            self._take(length)
            room, alone = room - length, False
        return True

    def _before_a_filling(self, room: int, most: int) -> int:
        """The greatest length up to `most` of a part after which another part or beginning fills the window; or -1."""
        if most < 0:
            return -1
        filled = _spread(self.wholes.bits | self.beginnings.bits, _FULL)
        lengths = self.wholes.bits & _mirrored(filled, room) & ((2 << most) - 1)
        while lengths:
            length = lengths.bit_length() - 1
            if self.wholes.longest(length, at_least=length) == length and self._fills(room - length):
                return length
            lengths ^= 1 << length
        return -1

    def _fills(self, room: int) -> bool:
        least = max(0, room - _FULL)
        return any(offers.longest(room, at_least=least) >= 0 for offers in (self.wholes, self.beginnings))

    def _offer(self, document: int, first: int, end: int) -> None:
        part = (document, first, end)
        self.offered.add(part)
        length = self.headers[document]
        for pair in range(first, end):
            length += self.pairs[document][pair]
            if pair + 1 < end:
                self.beginnings.add(length, (part, pair + 1))
        self.wholes.add(length, (part, end))

    def _take(self, length: int) -> "_Part":
        part, _ = self.wholes.take(length)
        self.offered.remove(part)
        return part

    def _take_beginning(self, length: int) -> None:
        (document, first, end), pair = self.beginnings.take(length)
        self.offered.remove((document, first, end))
        self.cuts.setdefault(document, []).append(pair)
        self._offer(document, pair, end)

    def _halve(self, part: "_Part") -> bool:
        """Cut a part that nothing fills up with in its middle, and offer both halves; False where it is one pair."""
        document, first, end = part
        if end - first < 2:
            return False
        lengths = self.pairs[document][first:end]
        middle, before, best = sum(lengths) / 2, 0, (float("inf"), first)
        for pair, length in enumerate(lengths[:-1], first + 1):
            before += length
            best = min(best, (abs(before - middle), pair))
        self.cuts.setdefault(document, []).append(best[1])
        self._offer(document, first, best[1])
        self._offer(document, best[1], end)
        return True


_Part = tuple[int, int, int]


class _ByLength:
    """What is offered at each length, of the parts that are left.

    The lengths are `bits` of one number, so that the next lower is found at once; a bit may be that of parts that are
    gone.
    """

    def __init__(self, left: "set[_Part]") -> None:
        self._left = left
        self._at: dict[int, list[tuple[_Part, int]]] = defaultdict(list)
        self.bits = 0

    def add(self, length: int, offer: tuple[_Part, int]) -> None:
        """Offer something at a length."""
        offers = self._at[length]
        if not offers:
            self.bits |= 1 << length
        offers.append(offer)

    def longest(self, most: int, *, at_least: int = 0) -> int:
        """The greatest length up to `most` at which a part that is left is offered, or -1."""
        if most < 0:
            return -1
        below = (2 << most) - 1
        while (length := (self.bits & below).bit_length() - 1) >= at_least:
            if self._at[length][-1][0] in self._left:
                return length
            self.take(length)
        return -1

    def take(self, length: int) -> tuple[_Part, int]:
        """The last offer at a length, which is gone then."""
        offers = self._at[length]
        taken = offers.pop()
        if not offers:
            self.bits ^= 1 << length
        return taken


def _spread(bits: int, by: int) -> int:
    """Each bit of a number, and the next ones above it.

    >>> bin(_spread(0b100010, 2))
    '0b11101110'
    """
    width = 1
    while width <= by:
        step = min(width, by + 1 - width)
        bits |= bits << step
        width += step
    return bits


def _mirrored(bits: int, at: int) -> int:
    """The bits from 0 to a place, in the opposite order.

    >>> bin(_mirrored(0b10011, 4))
    '0b11001'
    """
    return int(f"{bits & ((2 << at) - 1):0{at + 1}b}"[::-1], 2)
