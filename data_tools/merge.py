"""`chaku data merge`: one conversations file from several sources, with exact shares."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from data_tools.atomic import whole_file
from data_tools.plain import as_messages, json_line, read_plain, readable_turns, size_of
from data_tools.progress import Report, progress
from data_tools.records import Record
from templates import InputError


@dataclass(frozen=True, slots=True)
class Source:
    """A dump and its weight; a source of weight 3 gives three conversations for each one of a source of weight 1."""

    path: Path
    weight: Fraction


@dataclass(frozen=True, slots=True)
class Taken:
    """What a source gave: `taken` of the `conversations` that it has."""

    source: Source
    conversations: int
    taken: int


def merge(sources: Sequence[Source], *, out: Path, seed: int, n: int | None = None) -> list[Taken]:
    """Write a seeded mix of the sources as JSON Lines, word for word: `n` conversations, or all that the shares allow.

    Each source is read twice, once to count and once to write, so that memory stays flat. Raises InputError for bad
    input, and where a source has too few conversations for `n`.
    """
    with progress("merge", total=2 * size_of([source.path for source in sources])) as report:
        counts = [sum(1 for _ in _conversations(source.path, report)) for source in sources]
        taken = shares(sources, counts, n=n)
        draw = np.random.default_rng(seed)
        order = draw.permutation(np.repeat(np.arange(len(sources)), taken))
        streams = [
            _chosen(source.path, set(draw.choice(count, take, replace=False).tolist()), report)
            for source, count, take in zip(sources, counts, taken, strict=True)
        ]
        with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(json_line(as_messages(next(streams[number]))) for number in order)
    return [Taken(*one) for one in zip(sources, counts, taken, strict=True)]


def shares(sources: Sequence[Source], counts: Sequence[int], *, n: int | None) -> list[int]:
    """How many conversations to take of each source: the weights' shares, to the nearest whole conversation.

    The scarcest source sets the total. Remainders go to the largest fractions first (Hare's method), so that the
    sum is exact.

    >>> shares([Source(Path("a"), Fraction(3)), Source(Path("b"), Fraction(1))], [60, 100], n=None)
    [60, 20]
    """
    total = sum(source.weight for source in sources)
    parts = [source.weight / total for source in sources]
    scarcest = min(range(len(sources)), key=lambda one: counts[one] / parts[one])
    most = int(counts[scarcest] / parts[scarcest])
    if n is not None and n > most:
        raise InputError(
            f"--n {n}: with these weights {most} conversations can be had, since {sources[scarcest].path} has "
            f"{counts[scarcest]}; ask for at most that, or give it a smaller weight"
        )
    exact = [(most if n is None else n) * part for part in parts]
    whole = [int(share) for share in exact]
    by_remainder = sorted(range(len(sources)), key=lambda one: (whole[one] - exact[one], one))
    for one in by_remainder[: int(sum(exact)) - sum(whole)]:
        whole[one] += 1
    return whole


def _conversations(path: Path, report: Report) -> Iterator[Record]:
    return (record for record in read_plain([path], report=report) if readable_turns(record))


def _chosen(path: Path, wanted: set[int], report: Report) -> Iterator[Record]:
    return (record for index, record in enumerate(_conversations(path, report)) if index in wanted)
