"""All that a run found, as the plain values of report.json; the page is drawn from these alone."""

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from evaluate import aggregate, trust
from evaluate.instructions import grade_instructions, own_instructions
from evaluate.judge import Judgement
from evaluate.judging import Judged
from evaluate.models import Model
from evaluate.perplexity import compare_losses, summarise
from evaluate.plain_checks import measure
from evaluate.questions import REFERENCE_GUIDED, Question
from evaluate.summary import in_percent, sentence


def build(
    *,
    questions: Sequence[Question],
    models: Sequence[Model],
    judged: Sequence[Judged],
    settings: Mapping[str, Any],
    people: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The report: one judge's figures under `judged`, what no judge is needed for under `checks`, every item."""
    results: dict[str, Any] = {
        "made_with": f"chaku {version('chaku')}",
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "settings": dict(settings),
        "models": [{"name": model.name, "source": model.source} for model in models],
        "categories": list(dict.fromkeys(question.category for question in questions)),
        "questions": len(questions),
        "judged": [_judged(one, questions, models) for one in judged],
        "checks": _checks(questions, models),
        "people": people,
        "judges_agree": trust.judges_agree(*judged) if len(judged) == 2 else None,
        "failures": _failures(questions, models, judged),
        "items": [_item(question, models, judged) for question in questions],
    }
    return {"summary": sentence(results), **results}


def _judged(judged: Judged, questions: Sequence[Question], models: Sequence[Model]) -> dict[str, Any]:
    """What one judge makes of the models."""
    judgements = judged.judgements()
    by_trust = {
        "readability": trust.readability(judgements),
        "position": trust.position_bias(judged.pairs),
        "verbosity": trust.verbosity_bias(judged, [model.answers for model in models]),
    }
    names = [model.name for model in models]
    return {
        "judge": judged.judge,
        "structured": judged.structured,
        "scores": [aggregate.scores(grades, questions) for grades in judged.grades],
        "difference": aggregate.difference(judged),
        "win_rates": aggregate.win_rates(judged.pairs, questions),
        "trust": by_trust,
        "warnings": trust.warnings(by_trust, judge=judged.judge, models=names, name=in_percent),
    }


def _checks(questions: Sequence[Question], models: Sequence[Model]) -> dict[str, Any]:
    """What no judge is needed for."""
    instructions = own_instructions()
    losses = [model.losses for model in models if model.losses is not None]
    return {
        "answers": [measure(questions, model.answers) for model in models],
        "instructions": [
            grade_instructions(instructions, model.instructions) if model.instructions else None for model in models
        ],
        "parity": [model.parity for model in models],
        "held_out": [summarise(model.losses) if model.losses else None for model in models],
        "held_out_difference": compare_losses(*losses) if len(losses) == 2 else None,
    }


def _failures(questions: Sequence[Question], models: Sequence[Model], judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Everything that is missing from the figures, by name."""
    found = []
    for question in questions:
        if question.category in REFERENCE_GUIDED and not question.is_reference_guided and judged:
            found.append(
                {"question": question.id, "what": "no reference", "detail": "judged without a reference answer"}
            )
        for model in models:
            answers = model.answers[question.id]
            bad = [answer for answer in answers if not answer.is_there]
            short = len(answers) < len(question.turns) and not bad
            for answer in bad:
                detail = answer.text or "the file of answers has none"
                found.append({"question": question.id, "what": f"no answer of {model.name}", "detail": detail})
            if short:
                detail = f"{len(answers)} of {len(question.turns)} turns"
                found.append({"question": question.id, "what": f"saved answer of {model.name}", "detail": detail})
    for one in judged:
        for judgement in one.judgements():
            if judgement.value is None:
                detail = f"{judgement.prompt}, turn {judgement.turn}: {judgement.problem}"
                found.append({"question": judgement.question, "what": f"no verdict of {one.judge}", "detail": detail})
    return found


def _item(question: Question, models: Sequence[Model], judged: Sequence[Judged]) -> dict[str, Any]:
    """One question with all answers and verdicts."""
    return {
        "id": question.id,
        "category": question.category,
        "turns": list(question.turns),
        "reference": list(question.reference),
        "answers": [
            [
                {"text": one.text, "finish_reason": one.finish_reason, "tokens": one.tokens}
                for one in model.answers[question.id]
            ]
            for model in models
        ],
        "verdicts": [_verdicts(question, one) for one in judged],
    }


def _verdicts(question: Question, judged: Judged) -> dict[str, Any]:
    return {
        "grades": [[_said(one) for one in grades if one.question == question.id] for grades in judged.grades],
        "pairs": [
            {
                "turn": pair.turn,
                "outcome": pair.outcome,
                "seen": list(pair.verdicts),
                "said": [_said(pair.shown_first), _said(pair.shown_second)],
            }
            for pair in judged.pairs
            if pair.question == question.id
        ],
    }


def _said(judgement: Judgement) -> dict[str, Any]:
    return {
        "turn": judgement.turn,
        "value": judgement.value,
        "problem": judgement.problem,
        "tries": len(judgement.texts),
        "text": judgement.texts[-1] if judgement.texts else "",
    }
