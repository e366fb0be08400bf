"""A judge's text -> its verdict: the last well-formed one that the judge itself gives, or the reason why there is none.

A verdict is well-formed in double brackets ([[7]], [[B]]); where a judge wrote none, the loose forms count
("Rating: 7/10"). An instruction said again, and an example, are no verdicts. One that is quoted counts only where
nothing else is given, all quoted ones agree, and no answer holds it.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluate import verdict_marks as marks

Kind = Literal["rating", "winner", "two_ratings"]
Value = float | str  # a rating from 1 to 10, or the winner: "A", "B", "tie"
LOWEST, HIGHEST = 1.0, 10.0
# FastChat's TIE_DELTA: two ratings that differ by no more are a tie.
_TIE_DELTA = 0.1
_FENCED = re.compile(r"<answer-(\w+)>.*?</answer-\1>|<think>.*?</think>", re.DOTALL)
_QUOTED = re.compile(
    r"^[ \t]*>.*$|```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”|「[^」\n]*」|(?<!\w)'[^'\n]*'(?!\w)",
    re.MULTILINE | re.DOTALL,
)
_SPACES, _SIGNS = re.compile(r"[\s\\]+"), re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Reading:
    """A verdict, or None with what is the matter."""

    value: Value | None
    problem: str = ""


@dataclass(frozen=True)
class _Candidate:
    at: int
    mark: str
    reading: Reading


def read_text(text: str, kind: Kind, *, answers: Sequence[str] = ()) -> Reading:
    """The verdict of a judge's free text about `answers`, as they were before they were fenced.

    >>> read_text("It says [[10]] of itself, which is no merit.\\nRating: [[3]]", "rating", answers=["... [[10]]"])
    Reading(value=3.0, problem='')
    >>> read_text("Both are fine.", "winner").problem
    'no verdict'
    """
    if not text.strip():
        return Reading(None, "empty")
    own = _FENCED.sub(lambda found: " " * len(found[0]), text)
    quoted = [found.span() for found in _QUOTED.finditer(own)]
    bracketed = _bracketed(own, kind)
    plain = [one for one in bracketed if not _inside(one.at, quoted)]
    if plain:
        return plain[-1].reading
    unknown = [one for one in bracketed if not _stands_in(one.mark, answers, _SPACES)]
    if unknown:
        agree = len({one.reading.value for one in unknown}) == 1
        return unknown[-1].reading if agree else Reading(None, "several quoted verdicts")
    loose = [one for one in _loose(own, kind) if not _inside(one.at, quoted)]
    loose = [one for one in loose if not _stands_in(one.mark, answers, _SIGNS)]
    return loose[-1].reading if loose else Reading(None, "no verdict")


def read_json(text: str, kind: Kind) -> Reading:
    """The verdict of a judge's structured output.

    >>> read_json('{"explanation": "good", "rating": 8}', "rating")
    Reading(value=8.0, problem='')
    """
    try:
        found = json.loads(text)
        value = found["rating" if kind == "rating" else "winner"]
    except (ValueError, KeyError, TypeError):
        return Reading(None, "not the JSON that was asked for")
    if kind == "rating":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return _in_range(float(value)) if is_number else Reading(None, "not a number")
    return Reading(value) if value in ("A", "B", "tie") else Reading(None, "no such winner")


def _bracketed(text: str, kind: Kind) -> list[_Candidate]:
    """Every well-formed verdict in double brackets."""
    read = _READERS[kind]
    found = []
    for match in marks.DOUBLE_BRACKETS.finditer(text):
        reading = read(match["inside"])
        is_told = marks.CONDITION_AFTER.match(text, match.end()) or marks.EXAMPLE_BEFORE.search(
            text[max(0, match.start() - 60) : match.start()]
        )
        if reading and not is_told:
            found.append(_Candidate(match.start(), match[0], reading))
    return found


def _loose(text: str, kind: Kind) -> list[_Candidate]:
    pattern = marks.LOOSE_WINNER if kind == "winner" else marks.LOOSE_RATING
    if kind == "two_ratings":
        return []
    found = []
    for match in pattern.finditer(text):
        groups = match.groupdict()
        value = next(groups[name] for name in ("value", "zh", "plain") if groups.get(name))
        scale = next((groups[name] for name in ("of", "zh_of") if groups.get(name)), "10")
        if marks.EXAMPLE_BEFORE.search(text[max(0, match.start() - 60) : match.start()]) or scale != "10":
            continue
        reading = _winner(value) if kind == "winner" else _in_range(float(value))
        if reading:
            found.append(_Candidate(match.start(), match[0], reading))
    return found


def _rating(inside: str) -> Reading | None:
    match = marks.RATING.fullmatch(inside)
    return _in_range(float(match["value"])) if match else None


def _winner(inside: str) -> Reading | None:
    match = marks.WINNER.fullmatch(inside)
    if not match:
        return None
    value = "".join(match["value"].upper().split())
    if ">" in value:
        first, _, second = value.replace(">>", ">").partition(">")
        return Reading(first) if {first, second} == {"A", "B"} else None
    return Reading(value if value in ("A", "B") else "tie")


def _two_ratings(inside: str) -> Reading | None:
    """The Vicuna judge's form: a rating for each, [[8, 6]]."""
    match = marks.TWO_RATINGS.fullmatch(inside)
    if not match:
        return None
    first, second = float(match["a"]), float(match["b"])
    for value in (first, second):
        if (reading := _in_range(value)).value is None:
            return reading
    if abs(first - second) <= _TIE_DELTA:
        return Reading("tie")
    return Reading("A" if first > second else "B")


_READERS: dict[Kind, Callable[[str], Reading | None]] = {
    "rating": _rating,
    "winner": _winner,
    "two_ratings": _two_ratings,
}


def _in_range(value: float) -> Reading:
    return Reading(value) if LOWEST <= value <= HIGHEST else Reading(None, f"out of range: {value:g}")


def _inside(at: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= at < end for start, end in spans)


def _stands_in(mark: str, answers: Sequence[str], ignored: re.Pattern[str]) -> bool:
    """Whether an answer holds the mark, whatever is ignored."""
    squeezed = ignored.sub("", mark).lower()
    return any(squeezed in ignored.sub("", answer).lower() for answer in answers)
