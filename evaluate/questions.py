"""Benchmark questions, their reference answers and saved answers, in the formats that MT-bench and Vicuna-bench use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from templates import InputError

# Categories whose answers are right or wrong: their judge is shown a reference answer (MT-bench, arXiv 2306.05685).
REFERENCE_GUIDED = frozenset({"math", "reasoning", "coding"})
# MT-bench's temperatures, so that facts are not drawn by lot and stories are not all the same.
_TEMPERATURES = {"extraction": 0.0, "math": 0.0, "coding": 0.0, "reasoning": 0.0, "stem": 0.1, "humanities": 0.1}
_ELSEWHERE = 0.7
MOST_TURNS = 2


@dataclass(frozen=True)
class Question:
    """A question of one or two turns; `reference` holds an answer to each turn, or nothing."""

    id: str
    category: str
    turns: tuple[str, ...]
    reference: tuple[str, ...] = ()

    @property
    def temperature(self) -> float:
        """The temperature that a model answers it at."""
        return _TEMPERATURES.get(self.category, _ELSEWHERE)

    @property
    def is_reference_guided(self) -> bool:
        """Whether the judge is shown a reference: the category asks for one, and there is one for every turn."""
        return self.category in REFERENCE_GUIDED and len(self.reference) >= len(self.turns)


def read_questions(path: Path | None, *, references: Path | None = None, limit: int | None = None) -> list[Question]:
    """The questions of a file, or Chaku's own; with `limit`, so many of them, spread evenly over the file.

    Raises InputError where a line is no question, two have one id, or a reference names no question.

    >>> read_questions(Path("question.jsonl"))  # {"question_id": 81, "category": "writing", "turns": ["Write ..."]}
    [Question(id='81', category='writing', turns=('Write ...',), reference=())]
    """
    lines = _lines(path) if path else _own()
    questions = [_question(line, where) for where, line in lines]
    if len({question.id for question in questions}) < len(questions):
        raise InputError(f"{path}: two questions have the same question_id; give each its own")
    if any(len(question.turns) > MOST_TURNS for question in questions):
        raise InputError(f"{path}: has a question of more than two turns, which no judge prompt is made for")
    if not questions:
        raise InputError(f"{path}: holds no question; a line is {{'question_id', 'category', 'turns': [...]}}")
    if references:
        questions = _with_references(questions, references)
    if limit is None or limit >= len(questions):
        return questions
    return [questions[place * len(questions) // limit] for place in range(limit)]


def read_answers(path: Path) -> dict[str, tuple[str, ...]]:
    """Saved answers by question id, from MT-bench's format (`choices`) or Vicuna-bench's older one (`text`).

    Raises InputError where a line is neither.
    """
    return {str(_field(line, "question_id", where)): _answer_turns(line, where) for where, line in _lines(path)}


def own_text(name: str) -> str:
    """A file of this room's assets."""
    return files("evaluate").joinpath("assets", name).read_text(encoding="utf-8")


def json_lines(text: str) -> list[dict[str, Any]]:
    """The objects of a text of JSON Lines."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _own() -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(json_lines(own_text("questions.jsonl")), 1):
        yield f"questions.jsonl, line {number}", line


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's place and object."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give JSON Lines as MT-bench publishes them")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:
                raise InputError(f"{where}: not JSON ({error})") from error
            if not isinstance(found, dict):
                raise InputError(f"{where}: not an object with question_id")
            yield where, found


def _field(line: dict[str, Any], name: str, where: str) -> Any:  # noqa: ANN401 whatever the file holds
    if name not in line:
        raise InputError(f"{where}: has no {name!r}; see docs/evaluate.md for the formats")
    return line[name]


def _texts(value: object, name: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        raise InputError(f"{where}: {name!r} is not a list of texts")
    return tuple(value)


def _question(line: dict[str, Any], where: str) -> Question:
    return Question(
        id=str(_field(line, "question_id", where)),
        category=str(_field(line, "category", where)),
        turns=_texts(_field(line, "turns", where), "turns", where),
        reference=_texts(line["reference"], "reference", where) if line.get("reference") else (),
    )


def _with_references(questions: list[Question], path: Path) -> list[Question]:
    answers = read_answers(path)
    unknown = answers.keys() - {question.id for question in questions}
    if unknown:
        raise InputError(f"{path}: has references to no question of the file, such as {min(unknown)}")
    return [replace(question, reference=answers.get(question.id, question.reference)) for question in questions]


def _answer_turns(line: dict[str, Any], where: str) -> tuple[str, ...]:
    if isinstance(line.get("text"), str):
        return (line["text"],)
    try:
        turns = line["choices"][0]["turns"]
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{where}: has neither 'text' nor 'choices': [{{'turns': [...]}}]") from error
    return _texts(turns, "turns", where)
