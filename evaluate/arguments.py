"""The arguments of `chaku evaluate`, which `compare` shares for the most part."""

import argparse
from pathlib import Path
from typing import Any

from rich_argparse import RawDescriptionRichHelpFormatter

from evaluate.run import JudgeAt, Options
from templates import InputError

_EVALUATE = """\
examples:
  chaku evaluate model/ --judge-url http://127.0.0.1:9000/v1 --judge-model qwen2.5-72b
  chaku evaluate http://127.0.0.1:8000/v1 --against http://127.0.0.1:8001/v1 \\
      --questions question.jsonl --references gpt-4.jsonl --judge-prompts judge_prompts.jsonl \\
      --judge-url https://api.openai.com/v1 --judge-model gpt-4o      (its key in JUDGE_API_KEY)
  chaku evaluate model/ --held-out data/conversations/held_out.jsonl   (without a judge)
other commands:
  chaku evaluate compare BEFORE AFTER     two checkpoints of one run
  chaku evaluate stop-rate --base-url URL --conversations FILE     how many replies end by themselves"""
_COMPARE = """\
examples:
  chaku evaluate compare before/ after/ --held-out held_out.jsonl --judge-url URL --judge-model NAME
  chaku evaluate compare before/ after/ --held-out held_out.jsonl --replies before.json after.json  (serves nothing)"""


def parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A command's parser, in the style of the house."""
    return argparse.ArgumentParser(
        prog=name, description=description, epilog=epilog, formatter_class=RawDescriptionRichHelpFormatter
    )


def evaluate_parser() -> argparse.ArgumentParser:
    """The parser of `chaku evaluate MODEL_OR_URL`."""
    command = parser(
        "chaku evaluate",
        "Ask a model questions, have a judge grade the answers, and write report.html and report.json.\n"
        "A run that was killed goes on where it was when the same command is given again.",
        _EVALUATE,
    )
    add = command.add_argument
    add("model", metavar="MODEL_OR_URL", help="an OpenAI-compatible API, a model directory or a file of saved answers")
    add("--against", metavar="OTHER", help="a second one, whose answers are compared with the first's in both orders")
    add("--model-name", metavar="NAME", help="which model of the API (default: the first that it lists)")
    add("--against-name", metavar="NAME", help="the same for OTHER")
    _add_common(command, out="evaluation")
    return command


def compare_parser() -> argparse.ArgumentParser:
    """The parser of `chaku evaluate compare BEFORE AFTER`."""
    command = parser(
        "chaku evaluate compare",
        "Is the model better than it was before? Measures two checkpoints on the same questions and conversations.\n"
        "Without --judge-url it says what can be said without a judge.",
        _COMPARE,
    )
    add = command.add_argument
    add("before", metavar="BEFORE", help="the earlier model: a directory, or an OpenAI-compatible API")
    add("after", metavar="AFTER", help="the later one, likewise")
    replies = "replies that `evaluate stop-rate --out` wrote of each, instead of asking them anything"
    add("--replies", nargs=2, type=Path, metavar=("BEFORE", "AFTER"), help=replies)
    _add_common(command, out="comparison")
    return command


def _add_common(command: argparse.ArgumentParser, *, out: str) -> None:
    add = command.add_argument
    add("--questions", type=Path, metavar="FILE", help="questions in MT-bench's format (default: Chaku's own 40)")
    add("--references", type=Path, metavar="FILE", help="reference answers for math, reasoning and coding")
    add("--judge-url", metavar="URL", help="the judge's OpenAI-compatible API; its key in JUDGE_API_KEY")
    add("--judge-model", metavar="NAME", help="the judge's model")
    add("--second-judge-url", metavar="URL", help="another judge, to see how far two judges agree")
    add("--second-judge-model", metavar="NAME", help="the other judge's model")
    add("--judge-prompts", type=Path, metavar="FILE", help="judge prompts in MT-bench's format (default: Chaku's own)")
    add(
        "--votes",
        metavar="FILE_OR_URL",
        help="votes of people, to see how far the judge agrees with them: JSON Lines, or the chat database "
        "(sqlite:///chat.sqlite)",
    )
    add("--held-out", type=Path, metavar="FILE", help="conversations for the loss on replies, of model directories")
    add("--n", type=int, metavar="N", help="so many of the questions, spread over the file (default: all)")
    add("--max-tokens", type=int, default=1024, metavar="N", help="the limit of an answer (default: 1024)")
    add("--judge-max-tokens", type=int, default=2048, metavar="N", help="the limit of a verdict (default: 2048)")
    add("--concurrency", type=int, default=16, metavar="N", help="requests at once (default: 16)")
    add("--out", type=Path, default=Path(out), metavar="DIR", help=f"where everything is written (default: {out}/)")


def options(args: argparse.Namespace, *, model: str, against: str | None) -> Options:
    """The options of a run. Raises InputError where they do not fit together."""
    judges = _judges(args)
    if args.votes and not judges:
        raise InputError("--votes: says how far a judge agrees with people; give --judge-url and --judge-model")
    for name, least in (("n", 1), ("max_tokens", 1), ("judge_max_tokens", 1), ("concurrency", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: give {least} or more")
    named: dict[str, Any] = {name: getattr(args, name, None) for name in ("model_name", "against_name")}
    return Options(
        model=model,
        against=against,
        **named,
        out=args.out,
        questions=args.questions,
        references=args.references,
        judge_prompts=args.judge_prompts,
        judges=judges,
        votes=args.votes,
        held_out=args.held_out,
        limit=args.n,
        max_tokens=args.max_tokens,
        judge_max_tokens=args.judge_max_tokens,
        concurrency=args.concurrency,
    )


def _judges(args: argparse.Namespace) -> tuple[JudgeAt, ...]:
    judges = []
    for flag, url, model in (
        ("--judge", args.judge_url, args.judge_model),
        ("--second-judge", args.second_judge_url, args.second_judge_model),
    ):
        if bool(url) != bool(model):
            raise InputError(f"{flag}-{'model' if url else 'url'}: is missing; a judge has both an address and a model")
        if url:
            judges.append(JudgeAt(url, model))
    if args.second_judge_url and not args.judge_url:
        raise InputError("--second-judge-url: needs a first judge; give --judge-url and --judge-model")
    return tuple(judges)
