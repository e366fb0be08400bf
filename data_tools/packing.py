"""Packing: which documents share a window, so that hardly a position of a window is wasted."""

import random
from bisect import bisect_left, insort
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
