"""Rejects conversations that hold an evaluation's questions, so that a score measures what a model learned.

A conversation is contaminated where it shares 13 words in a row with a question (Brown et al. 2020), in any case and
whatever stands between the words; a question of 8 to 12 words is looked for whole. Shorter ones ("Thank you. What
about cats?") are in everyone's mouth, and are not looked for.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_tools.filters import Verdict
from data_tools.records import Record
from data_tools.rules.blocked import UNSPACED, words_of
from templates import InputError

N_GRAM = 13
SHORTEST = 8
# Between two messages, so that no run of words goes over both; a code that is no character.
_BETWEEN = "\uffff"
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_LONGEST_WORD = 64
_ALONE = 2
_MOST_CODE = 0x40000
# All but the first 20 bits of a hash.
_END = np.uint64(44)

Numbers = npt.NDArray[np.uint64]


class ContaminationFilter:
    """Rejects, as `contaminated`, what holds a question of these files, and names the question.

    A conversation's runs of words are looked up by their hashes, all at once; only where one is known are its words
    compared. Raises InputError for a file that cannot be read, or that has no question long enough to look for.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._names: dict[int, dict[tuple[str, ...], str]] = {}  # by length, each run of words and its question
        self._hashes: dict[int, set[int]] = {}
        for file in files:
            self._add(Path(file))
        self._tables = {length: _table(hashes) for length, hashes in self._hashes.items()}

    def features(self, records: Sequence[Record]) -> list[str]:
        """For each conversation the name of a question that it holds, or nothing."""
        return [self.find(_BETWEEN.join(message.content for message in record.messages)) for record in records]

    def decide(self, values: Sequence[str]) -> list[Verdict | None]:
        """A verdict for each conversation with a question."""
        return [Verdict("contaminated", value) if value else None for value in values]

    def find(self, text: str) -> str:
        """The name of the first question that the text holds, or nothing."""
        for length, hashes in enumerate(run_hashes(word_hashes(text)), 1):
            if length in self._tables:
                likely = hashes[self._tables[length][hashes >> _END]].tolist()
                if not self._hashes[length].isdisjoint(likely) and (name := self._compare(text, length)):
                    return name
        return ""

    def _compare(self, text: str, length: int) -> str:
        runs = self._names[length]
        for part in text.split(_BETWEEN):
            words = words_of(part)
            for start in range(len(words) - length + 1):
                if name := runs.get(tuple(words[start : start + length])):
                    return name
        return ""

    def _add(self, path: Path) -> None:
        found = False
        for name, question in read_questions(path):
            words = words_of(question)
            if len(words) < SHORTEST:
                continue
            length = min(N_GRAM, len(words))
            runs = self._names.setdefault(length, {})
            for start in range(len(words) - length + 1):
                runs.setdefault(tuple(words[start : start + length]), name)
            *_, hashes = run_hashes(word_hashes(question), most=length)
            self._hashes.setdefault(length, set()).update(hashes.tolist())
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


def word_hashes(text: str) -> Numbers:
    """The hash of each word of a text, the words being those of `words_of`.

    >>> len(word_hashes("It's 5 o'clock, 你好!"))
    7
    """
    codes = np.frombuffer(text.lower().encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kinds()[np.minimum(codes, _MOST_CODE)]
    codes, at = codes[kinds > 0], np.flatnonzero(kinds)
    alone = kinds[at] == _ALONE
    # A letter begins a word where what is before it is none, or a word of its own.
    begins = np.ones(len(at), dtype=bool)
    begins[1:] = (np.diff(at) > 1) | alone[1:] | alone[:-1]
    starts = np.flatnonzero(begins)
    if not len(starts):
        return np.empty(0, dtype=np.uint64)
    place = np.arange(len(at)) - np.repeat(starts, np.diff(np.append(starts, len(at))))
    with np.errstate(over="ignore"):
        return np.add.reduceat(_mixed(codes + np.uint64(1)) * _factors()[np.minimum(place, _LONGEST_WORD - 1)], starts)


def run_hashes(words: Numbers, *, most: int = N_GRAM) -> Iterator[Numbers]:
    """The hashes of all runs of one word, of two words, and so on; a longer run's is the shorter one's and a word's."""
    hashes = np.zeros(len(words), dtype=np.uint64)
    for length in range(1, min(most, len(words)) + 1):
        hashes = _mixed(hashes[: len(words) - length + 1] ^ words[length - 1 :])
        yield hashes


def _table(hashes: set[int]) -> npt.NDArray[np.bool_]:
    """A table over the first bits of hashes: where it says no, none of these begins so."""
    known = np.zeros(1 << (64 - int(_END)), dtype=bool)
    known[[one >> int(_END) for one in hashes]] = True
    return known


def _mixed(numbers: Numbers) -> Numbers:
    mixed: Numbers = numbers * _FACTOR
    return mixed ^ (mixed >> np.uint64(32))


@cache
def _factors() -> Numbers:
    """An odd factor for each place in a word, so that the order of its letters counts."""
    return np.random.default_rng(0).integers(1, 2**63, _LONGEST_WORD, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    """For each character whether it is between words (0), a letter or digit (1), or a word of its own (2)."""
    kinds = np.zeros(_MOST_CODE + 1, dtype=np.uint8)
    kinds[:0x20000] = [chr(code).isalnum() for code in range(0x20000)]
    unspaced = re.compile(f"[{UNSPACED}]")
    kinds[:0x20000][[unspaced.match(chr(code)) is not None for code in range(0x20000)]] = _ALONE
    kinds[0x20000:_MOST_CODE] = _ALONE
    kinds[ord(_BETWEEN)] = _ALONE
    return kinds
