"""One evaluation from end to end: ask the models, ask the judges, count, write report.html and report.json."""

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data_tools.atomic import whole_file
from data_tools.progress import progress
from evaluate.asking import Endpoint, find_endpoint, open_client
from evaluate.judge import Judge, offers_structure
from evaluate.judging import Judged, count, judge_all
from evaluate.models import Asked, Model, ask_model
from evaluate.people import Vote, agreement_with_people, read_votes
from evaluate.prompts import Prompts, read_prompts
from evaluate.questions import Question, read_questions
from evaluate.report import write_page
from evaluate.results import build

JUDGE_KEY_NAMES = ("JUDGE_API_KEY", "OPENAI_API_KEY")
REPORT, PAGE = "report.json", "report.html"
# What a model directory is given: names that tell what they are beside the weights.
_IN_DIRECTORY = {REPORT: "evaluation.json", PAGE: "evaluation.html"}


@dataclass(frozen=True)
class JudgeAt:
    """Where a judge answers, and its model's name."""

    url: str
    model: str


@dataclass(frozen=True)
class Options:
    """What `chaku evaluate` is given; see its help."""

    model: str
    out: Path
    against: str | None = None
    model_name: str | None = None
    against_name: str | None = None
    questions: Path | None = None
    references: Path | None = None
    judge_prompts: Path | None = None
    judges: tuple[JudgeAt, ...] = ()
    votes: str | None = None
    held_out: Path | None = None
    limit: int | None = None
    max_tokens: int = 1024
    judge_max_tokens: int = 2048
    concurrency: int = 16


def evaluate(options: Options) -> dict[str, Any]:
    """Run it all, or go on with it: what is stored below `out` is not asked again. Returns the report's values."""
    questions = read_questions(options.questions, references=options.references, limit=options.limit)
    prompts = read_prompts(options.judge_prompts)
    asked = Asked(questions, options.out, options.max_tokens, options.concurrency, options.held_out)
    models = [ask_model(options.model, name=options.model_name, store="model.sqlite", asked=asked)]
    if options.against:
        models.append(ask_model(options.against, name=options.against_name, store="against.sqlite", asked=asked))
    return report(options, questions, named_apart(models), prompts)


def report(
    options: Options, questions: Sequence[Question], models: Sequence[Model], prompts: Prompts
) -> dict[str, Any]:
    """Judge what the models answered, and write the report. Returns its values."""
    judged, people = [], None
    votes = read_votes(options.votes) if options.votes else []
    for number, judge in enumerate(options.judges):
        endpoint = find_endpoint(judge.url, model=judge.model, flag="--judge-url", key_names=JUDGE_KEY_NAMES)
        store = options.out / ("judge.sqlite" if number == 0 else "second_judge.sqlite")
        asked_votes = votes if number == 0 else []
        said, agreement = _judge(endpoint, store, questions, models, prompts, votes=asked_votes, options=options)
        judged.append(said)
        people = people or agreement
    results = build(
        questions=questions, models=models, judged=judged, people=people, settings=_settings(options, questions)
    )
    write(results, options.out)
    for directory in (model.directory for model in models[:1]):
        if directory:
            for name, there in _IN_DIRECTORY.items():
                with whole_file(directory / there) as temporary:
                    shutil.copyfile(options.out / name, temporary)
    return results


def write(results: dict[str, Any], out: Path) -> None:
    """Write report.json and report.html, each whole or not at all."""
    with whole_file(out / REPORT) as temporary:
        temporary.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(results, out / PAGE)


def named_apart(models: Sequence[Model]) -> list[Model]:
    """Two models of one name are told apart by a number.

    >>> [model.name for model in named_apart([Model("m", "a"), Model("m", "b")])]
    ['m (1)', 'm (2)']
    """
    if len({model.name for model in models}) == len(models):
        return list(models)
    return [replace(model, name=f"{model.name} ({number})") for number, model in enumerate(models, 1)]


def _judge(
    endpoint: Endpoint,
    store: Path,
    questions: Sequence[Question],
    models: Sequence[Model],
    prompts: Prompts,
    *,
    votes: Sequence[Vote],
    options: Options,
) -> tuple[Judged, dict[str, Any] | None]:
    """All verdicts of one judge on the models, and beside people's votes."""
    answers = [model.answers for model in models]

    async def ask(on_verdict: Callable[[], None]) -> tuple[Judged, dict[str, Any] | None]:
        async with open_client(endpoint, store, concurrency=options.concurrency) as client:
            # The published prompts ask for text, and their figures are of judges that gave text.
            structured = prompts.are_own and await offers_structure(client)
            judge = Judge(client, prompts, options.judge_max_tokens, structured)
            judged = await judge_all(judge, questions, answers, on_verdict=on_verdict)
            people = await agreement_with_people(judge, votes, on_verdict=on_verdict) if votes else None
        return judged, people

    with progress("verdicts", total=count(questions, answers) + len(votes)) as report_done:
        return asyncio.run(ask(lambda: report_done(1)))


def _settings(options: Options, questions: Sequence[Question]) -> dict[str, Any]:
    return {
        "questions": str(options.questions) if options.questions else "Chaku's own",
        "number of questions": len(questions),
        "references": str(options.references) if options.references else "those of the questions",
        "judge prompts": str(options.judge_prompts) if options.judge_prompts else "Chaku's own",
        "held-out conversations": str(options.held_out) if options.held_out else "none",
        "most tokens of an answer": options.max_tokens,
        "most tokens of a verdict": options.judge_max_tokens,
    }
