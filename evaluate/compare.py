"""`chaku evaluate compare`: two checkpoints of one run, the later seen against the earlier."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluate.answers import Answer
from evaluate.models import Asked, Model, measure_losses
from evaluate.prompts import read_prompts
from evaluate.questions import Question
from evaluate.run import Options, evaluate, report
from templates import InputError


def compare(options: Options, *, replies: Sequence[Path] | None) -> dict[str, Any]:
    """Evaluate AFTER against BEFORE. With `replies` (of BEFORE, of AFTER) no model is asked or served.

    Raises InputError where the replies are to different prompts.
    """
    if replies is None:
        return evaluate(options)
    before, after = (_read(path) for path in replies)
    if [prompt for prompt, _ in before] != [prompt for prompt, _ in after]:
        raise InputError(f"{replies[1]}: its prompts are not those of {replies[0]}; ask both models the same ones")
    questions = [Question(str(number), "held-out", (prompt,)) for number, (prompt, _) in enumerate(before, 1)]
    asked = Asked(questions, options.out, options.max_tokens, options.concurrency, options.held_out)
    models = []
    for source, given in ((options.model, after), (options.against, before)):
        answers = {question.id: [answer] for question, (_, answer) in zip(questions, given, strict=True)}
        models.append(measure_losses(Model(Path(str(source)).resolve().name, str(source), answers), asked))
    return report(options, questions, models, read_prompts(options.judge_prompts))


def _read(path: Path) -> list[tuple[str, Answer]]:
    """The prompts and replies that `chaku evaluate stop-rate --out` wrote."""
    try:
        replies = json.loads(path.read_text(encoding="utf-8"))["replies"]
        return [
            (one["prompt"], Answer(one["text"], "stop" if one["stopped"] else "length", one["tokens"]))
            for one in replies
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--replies {path}: {error}; `chaku evaluate stop-rate --out FILE` writes such files"
        ) from error
