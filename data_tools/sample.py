"""`chaku data sample`: some conversations of a dump, each with the same chance."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from data_tools.atomic import whole_file
from data_tools.plain import as_messages, json_line, read_plain, readable_turns, size_of
from data_tools.progress import progress
from templates import InputError

T = TypeVar("T")


def sample(inputs: Sequence[Path], *, n: int, seed: int, out: Path) -> int:
    """Write `n` conversations as JSON Lines, word for word and in input order; returns how many there were.

    Memory holds no more than the `n` chosen ones. Raises InputError for bad input, and where there are fewer.
    """
    with progress("sample", total=size_of(inputs)) as report:
        conversations = (record for record in read_plain(inputs, report=report) if readable_turns(record))
        chosen, seen = choose(conversations, n=n, seed=seed)
    if seen < n:
        raise InputError(f"--n {n}: {', '.join(map(str, inputs))} hold {seen} conversations; ask for at most that")
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json_line(as_messages(record)) for record in chosen)
    return seen


def choose(items: Iterable[T], *, n: int, seed: int) -> tuple[list[T], int]:
    """`n` of the items in their order, or all where there are fewer, and how many there were.

    Reservoir sampling (Vitter 1985, algorithm R): each set of `n` is equally likely, in one pass.

    >>> choose("abc", n=5, seed=0)
    (['a', 'b', 'c'], 3)
    """
    draw = np.random.default_rng(seed)
    kept: list[tuple[int, T]] = []
    seen = 0
    for item in items:
        place = seen if seen < n else int(draw.integers(seen + 1))
        if place < len(kept):
            kept[place] = (seen, item)
        elif place < n:
            kept.append((seen, item))
        seen += 1
    return [item for _, item in sorted(kept, key=lambda one: one[0])], seen
