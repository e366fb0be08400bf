"""Everything that a judge is asked in a run: a grade of each answer, and each pair of answers in both orders."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from evaluate.answers import Answer
from evaluate.judge import Judge, Judgement
from evaluate.questions import Question

# Who won, seen from the first model.
Outcome = Literal["win", "tie", "loss"]
Answers: TypeAlias = Mapping[str, Sequence[Answer]]


@dataclass(frozen=True)
class Pair:
    """The two verdicts on a pair of answers: `shown_first` with the first model's answer as A, `shown_second` as B."""

    question: str
    turn: int
    shown_first: Judgement
    shown_second: Judgement

    @property
    def verdicts(self) -> tuple[Outcome | None, Outcome | None]:
        """Both verdicts, seen from the first model; None where one could not be read."""
        return _seen(self.shown_first, "A"), _seen(self.shown_second, "B")

    @property
    def outcome(self) -> Outcome | None:
        """MT-bench's rule: a win takes both orders, and orders that disagree are a tie; None if one is unreadable."""
        first, second = self.verdicts
        if first is None or second is None:
            return None
        return first if first == second else "tie"


@dataclass
class Judged:
    """All that one judge said: grades by the model's place (0 or 1), and pairs. `judge` is its model's name."""

    judge: str
    structured: bool
    grades: list[list[Judgement]] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)

    def judgements(self) -> list[Judgement]:
        """Every single one."""
        return [one for grades in self.grades for one in grades] + [
            one for pair in self.pairs for one in (pair.shown_first, pair.shown_second)
        ]


def count(questions: Sequence[Question], answers: Sequence[Answers]) -> int:
    """How many verdicts `judge_all` asks for."""
    single = sum(len(_turns(question, [one])) for one in answers for question in questions)
    paired = sum(len(_turns(question, answers)) for question in questions) if len(answers) == 2 else 0
    return single + 2 * paired


async def judge_all(
    judge: Judge, questions: Sequence[Question], answers: Sequence[Answers], *, on_verdict: Callable[[], None]
) -> Judged:
    """Grade the answers of each model, and compare those of two. `on_verdict` is called after each verdict."""

    async def noted(asking: "asyncio.Future[Judgement] | asyncio.Task[Judgement]") -> Judgement:
        judgement = await asking
        on_verdict()
        return judgement

    async def grades(place: int) -> list[Judgement]:
        asked = []
        for question in questions:
            for turn in _turns(question, [answers[place]]):
                texts = _texts(answers[place][question.id])
                asking = judge.grade(question, texts, turn=turn, label=str(place))
                asked.append(noted(asyncio.ensure_future(asking)))
        return list(await asyncio.gather(*asked))

    async def pair(question: Question, turn: int) -> Pair:
        first, second = (_texts(one[question.id]) for one in answers)
        both = (
            judge.compare(question, first, second, turn=turn, label="in order"),
            judge.compare(question, second, first, turn=turn, label="swapped"),
        )
        verdicts = await asyncio.gather(*(noted(asyncio.ensure_future(one)) for one in both))
        return Pair(question.id, turn, *verdicts)

    graded = await asyncio.gather(*map(grades, range(len(answers))))
    turns = [(question, turn) for question in questions for turn in _turns(question, answers)]
    pairs = await asyncio.gather(*(pair(*one) for one in turns)) if len(answers) == 2 else []
    return Judged(judge.client.model, judge.structured, list(graded), list(pairs))


def _turns(question: Question, answers: Sequence[Answers]) -> list[int]:
    """The turns (from 1) that every one of these models answered."""
    there = [[answer.is_there for answer in one[question.id]] for one in answers]
    return [
        turn for turn in range(1, len(question.turns) + 1) if all(len(one) >= turn and one[turn - 1] for one in there)
    ]


def _texts(answers: Sequence[Answer]) -> list[str]:
    return [answer.text for answer in answers]


def _seen(judgement: Judgement, side: str) -> Outcome | None:
    if judgement.value is None:
        return None
    if judgement.value == "tie":
        return "tie"
    return "win" if judgement.value == side else "loss"
