"""Rejects conversations that hold an evaluation's questions, so that a score measures what a model learned.

A conversation is contaminated where it shares 13 words in a row with a question (Brown et al. 2020), in any case and
whatever stands between the words; a question of 8 to 12 words is looked for whole. Shorter ones ("Thank you. What
about cats?") are in everyone's mouth, and are not looked for.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_tools.filters import Verdict
from data_tools.records import Record
from data_tools.rules.blocked import words_of
from templates import InputError

N_GRAM = 13
SHORTEST = 8
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class ContaminationFilter:
    """Rejects, as `contaminated`, what holds a question of these files, and names the question.

    Raises InputError for a file that cannot be read, or that has no question long enough to look for.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}  # of the questions' words, from 1
        self._names: dict[int, dict[int, str]] = {}  # by length, the hash of each n-gram and its question
        for file in files:
            self._add(Path(file))
        self._sorted = {
            length: np.array(sorted(names), dtype=np.uint64) for length, names in sorted(self._names.items())
        }

    def features(self, record: Record) -> str:
        """The name of a question that the conversation holds, or nothing."""
        return next(filter(None, (self.find(message.content) for message in record.messages)), "")

    def decide(self, values: Sequence[str]) -> list[Verdict | None]:
        """A verdict for each conversation with a question."""
        return [Verdict("contaminated", value) if value else None for value in values]

    def find(self, text: str) -> str:
        """The name of the first question that the text holds, or nothing."""
        numbers = np.fromiter((self._numbers.get(word, 0) for word in words_of(text)), dtype=np.uint64)
        for length, known in self._sorted.items():
            hashes = _hashes(numbers, length)
            held = hashes[np.isin(hashes, known)]
            if len(held):
                return self._names[length][int(held[0])]
        return ""

    def _add(self, path: Path) -> None:
        found = False
        for name, question in read_questions(path):
            words = words_of(question)
            if len(words) < SHORTEST:
                continue
            numbers = [self._numbers.setdefault(word, len(self._numbers) + 1) for word in words]
            length = min(N_GRAM, len(words))
            hashes = _hashes(np.array(numbers, dtype=np.uint64), length).tolist()
            self._names.setdefault(length, {}).update(dict.fromkeys(hashes, name))
            found = True
        if not found:
            raise InputError(f"{path}: no question of {SHORTEST} words or more to look for; check the file")


def read_questions(path: Path) -> Iterator[tuple[str, str]]:
    """The questions of a file, named: MT-bench's JSON Lines (`question_id`, `turns`), or a question a line.

    Raises InputError where the file cannot be read, or a line that looks like JSON is no question.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error}); give a file of questions") from error
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("{"):
            yield from _turns(path, number, line)
        elif line.strip():
            yield f"{path.name} line {number}", line


def _turns(path: Path, number: int, line: str) -> Iterator[tuple[str, str]]:
    try:
        value = json.loads(line)
        name, turns = f"{path.name} question {value.get('question_id', number)}", value["turns"]
        yield from ((name, str(turn)) for turn in turns)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{path}: line {number} is not a question like {{"question_id": 81, "turns": ["..."]}}; correct that line'
        ) from error


def _hashes(numbers: npt.NDArray[np.uint64], length: int) -> npt.NDArray[np.uint64]:
    """The hash of each run of words; runs with a word that no question has are left out."""
    count = len(numbers) - length + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    unknown = np.concatenate(([0], np.cumsum(numbers == 0)))
    starts = np.flatnonzero(unknown[length:] == unknown[:-length])
    hashes = np.zeros(len(starts), dtype=np.uint64)
    for offset in range(length):
        hashes = (hashes ^ numbers[starts + offset]) * _FACTOR
        hashes ^= hashes >> np.uint64(32)
    return hashes
