"""Votes of people on two answers, and whether the judge sees them as people do."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evaluate.judge import Judge
from evaluate.judging import Outcome, Pair
from evaluate.questions import Question
from evaluate.trust import people_agree
from templates import InputError

_OUTCOMES: dict[str, Outcome] = {"a": "win", "b": "loss", "tie": "tie", "both_bad": "tie"}


@dataclass(frozen=True)
class Vote:
    """One person's choice between two answers to a prompt."""

    prompt: str
    answer_a: str
    answer_b: str
    winner: Literal["a", "b", "tie", "both_bad"]


async def agreement_with_people(
    judge: Judge, votes: Sequence[Vote], *, on_verdict: Callable[[], None]
) -> dict[str, Any]:
    """Ask the judge about every pair that people voted on, in both orders; votes that no verdict can be read of count
    as `unreadable`. MT-bench finds 66% (85% without ties) for GPT-4, as much as people agree among themselves.
    """

    async def outcome(number: int, vote: Vote) -> Outcome | None:
        question = Question(f"vote-{number}", "votes", (vote.prompt,))
        answers = [vote.answer_a], [vote.answer_b]
        first = await judge.compare(question, *answers, turn=1, label="in order")
        second = await judge.compare(question, *reversed(answers), turn=1, label="swapped")
        on_verdict()
        return Pair(question.id, 1, first, second).outcome

    outcomes = await asyncio.gather(*(outcome(number, vote) for number, vote in enumerate(votes)))
    read = [(one, _OUTCOMES[vote.winner]) for one, vote in zip(outcomes, votes, strict=True) if one]
    return {"votes": len(votes), "unreadable": outcomes.count(None), **people_agree(read)}


def read_votes(where: str) -> list[Vote]:
    """Votes from a file, or from a chat database by its URL, where the arena keeps them.

    Raises InputError where there is none, or they cannot be read.
    """
    if "://" not in where:
        return read_votes_file(Path(where))
    from serve.chat.votes import read_votes as read_kept

    kept = [Vote(vote.prompt, vote.answer_a, vote.answer_b, vote.winner) for vote in read_kept(where)]
    if not kept:
        raise InputError(f"--votes {where}: nobody has voted yet; the arena of the chat page takes votes")
    return kept


def read_votes_file(path: Path) -> list[Vote]:
    """Votes from JSON Lines of `prompt`, `answer_a`, `answer_b` and `winner` (a, b, tie or both_bad).

    Raises InputError where a line is no vote, or there is none.
    """
    votes = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"--votes {path}: {error.strerror}; give JSON Lines of votes") from error
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
            vote = Vote(str(found["prompt"]), str(found["answer_a"]), str(found["answer_b"]), found["winner"])
            _OUTCOMES[vote.winner]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"--votes {path}, line {number}: not a vote ({error}); see docs/evaluate.md") from error
        votes.append(vote)
    if not votes:
        raise InputError(f"--votes {path}: holds no vote")
    return votes
