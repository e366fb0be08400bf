"""The rows that are tokenised, one a conversation, and where the replies fall among their token ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from templates.engine import IdArray
from templates.guard import GuardedTokenizer
from templates.spelling import Speller

LongArray = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.int32]


# A place in a row: the number of a literal, and the characters of it before the place.
Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Coordinates (see `spelling`) in a row: `offsets` in its literals, and how many contents stand before each."""

    offsets: LongArray
    contents: LongArray


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the contents of a row, made once for all rows of the same roles.

    `marks` are where the control tokens, whose ids are `control_ids`, and the row's end are; `points` are what is
    looked for, the beginning and the end of each turn; `sections` are the control tokens before each point.
    """

    spellings: tuple[str, ...]
    control_ids: IdArray
    marks: Coordinates
    points: Coordinates
    sections: LongArray

    def row(self, contents: Sequence[str], byte_lengths: list[int]) -> "Row":
        """The row of a conversation with these contents, each of so many bytes."""
        parts = [""] * (2 * len(contents) + 1)
        parts[::2], parts[1::2] = self.spellings, contents
        return Row("".join(parts), byte_lengths, self)


class Row(NamedTuple):
    """One conversation's text in secret spelling, and the bytes of each content in it."""

    text: str
    byte_lengths: list[int]
    frame: Frame


class Found(NamedTuple):
    """Where the points of a row fell: token indices, whether a token begins exactly there, and the row's soundness."""

    tokens: list[int]
    exact: list[bool]
    sound: bool


def frame_of(literals: Sequence[str], turns: Sequence[tuple[Place, Place]], spell: Speller) -> Frame:
    """The frame of the literals before, between and after contents; each turn stands between two places."""
    spelled = [spell(literal) for literal in literals]
    marks: list[tuple[int, int]] = []
    begins: list[tuple[int, int]] = []
    offset = 0
    for number, literal in enumerate(spelled):
        begins.append((offset, len(marks)))
        offset += literal.head
        for _, after in literal.controls:
            marks.append((offset, number))
            offset += 1 + after
    marks.append((offset, len(literals) - 1))
    points: list[tuple[int, int]] = []
    sections: list[int] = []
    for number, characters in chain.from_iterable(turns):
        (offset, section), before = begins[number], spell(literals[number][:characters])
        points.append((offset + before.length, number))
        sections.append(section + len(before.controls))
    return Frame(
        spellings=tuple(literal.spelling for literal in spelled),
        control_ids=np.array([token_id for one in spelled for token_id, _ in one.controls], dtype=np.uint32),
        marks=_coordinates_of(marks),
        points=_coordinates_of(points),
        sections=np.array(sections, dtype=np.int64),
    )


def _coordinates_of(pairs: list[tuple[int, int]]) -> Coordinates:
    offsets, contents = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Coordinates(offsets, contents)


def find(rows: Sequence[Row], all_ids: Sequence[IdArray], guarded: GuardedTokenizer) -> list[Found]:
    """Locate the points of rows among their token ids by the running sum of the tokens' byte lengths.

    A row in which the control tokens are not those that the template wrote is not sound, and nothing is found in it.
    """
    if not rows:
        return []
    joined = _joined(all_ids, guarded)
    written = _written(rows, joined)
    if all(written):
        return _locate(rows, joined, guarded)
    chosen = [at for at, is_written in enumerate(written) if is_written]
    located = iter(find([rows[at] for at in chosen], [all_ids[at] for at in chosen], guarded))
    return [next(located) if is_written else _nothing_in(row) for row, is_written in zip(rows, written, strict=True)]


def _nothing_in(row: Row) -> Found:
    points = len(row.frame.sections)
    return Found([0] * points, [False] * points, sound=False)


class _Joined(NamedTuple):
    """The ids of all rows as if they were one, and their byte lengths; the rows' bounds, and where controls are."""

    ids: IdArray
    byte_lengths: IntArray
    bounds: LongArray
    controls: LongArray


def _joined(all_ids: Sequence[IdArray], guarded: GuardedTokenizer) -> _Joined:
    ids = np.concatenate(all_ids)
    byte_lengths = guarded.byte_lengths.take(ids)
    controls = np.flatnonzero(byte_lengths < 0)
    byte_lengths[controls] = 1
    return _Joined(ids, byte_lengths, np.cumsum([0, *map(len, all_ids)]), controls)


def _written(rows: Sequence[Row], joined: _Joined) -> list[bool]:
    """Whether the control tokens in each row are those that the template wrote."""
    expected = [row.frame.control_ids for row in rows]
    found, ends = joined.ids[joined.controls], np.searchsorted(joined.controls, joined.bounds)
    as_many = np.array_equal(np.diff(ends), list(map(len, expected)))
    if as_many and np.array_equal(found, np.concatenate(expected)):
        return [True] * len(rows)
    return [np.array_equal(found[start:end], own) for (start, end), own in zip(pairwise(ends), expected, strict=True)]


def _locate(rows: Sequence[Row], joined: _Joined, guarded: GuardedTokenizer) -> list[Found]:
    """All rows at once, as if they were one text.

    A tokenizer of the SentencePiece kind may put one space before a section of text that the text does not have; the
    sum then runs ahead by one from that section on, which its next mark shows. A row is sound where each section
    runs ahead by no more than that.
    """
    frames, bounds = [row.frame for row in rows], joined.bounds
    sums = np.zeros(len(joined.ids) + 1, dtype=np.int64)
    np.cumsum(joined.byte_lengths, out=sums[1:])
    begins = sums[bounds[:-1]]
    marks = _in_all(rows, [frame.marks for frame in frames], begins)
    points = _in_all(rows, [frame.points for frame in frames], begins)
    counts = [len(frame.sections) for frame in frames]
    ends = np.cumsum([len(frame.control_ids) + 1 for frame in frames])
    firsts = np.append(0, ends[:-1])  # the first section of each row
    at = np.empty(len(marks), dtype=np.int64)
    at[ends - 1] = bounds[1:]
    at[np.delete(np.arange(len(marks)), ends - 1)] = joined.controls
    ahead = sums[at] - marks
    steps = np.diff(ahead, prepend=0)
    steps[firsts] = ahead[firsts]
    section_begins = np.append(0, marks[:-1] + 1)
    section_begins[firsts] = begins
    sections = np.concatenate([frame.sections for frame in frames]) + np.repeat(firsts, counts)
    at_start = points == section_begins[sections]
    points += np.where(at_start, ahead[sections] - steps[sections], ahead[sections])
    sound = np.logical_and.reduceat((steps == 0) | ((steps == 1) & guarded.may_prefix_space), firsts)
    row_begins = np.repeat(bounds[:-1], counts)
    tokens = np.clip(np.searchsorted(sums, points), row_begins, np.repeat(bounds[1:], counts))
    exact = (sums[tokens] == points).tolist()
    indices = (tokens - row_begins).tolist()
    return [
        Found(indices[start:end], exact[start:end], bool(is_sound))
        for (start, end), is_sound in zip(pairwise(np.cumsum([0, *counts]).tolist()), sound, strict=True)
    ]


def _in_all(rows: Sequence[Row], coordinates: list[Coordinates], begins: LongArray) -> LongArray:
    """The coordinates of all rows as if they were one text, in which the rows begin at `begins`."""
    counts = [len(one.offsets) for one in coordinates]
    contents = np.cumsum([0, *chain.from_iterable(row.byte_lengths for row in rows)], dtype=np.int64)
    first = np.cumsum([0, *(len(row.byte_lengths) for row in rows)])[:-1]
    before = np.concatenate([one.contents for one in coordinates]) + np.repeat(first, counts)
    offsets = np.concatenate([one.offsets for one in coordinates])
    joined: LongArray = offsets + contents[before] + np.repeat(begins - contents[first], counts)
    return joined
