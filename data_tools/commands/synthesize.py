"""`chaku data synthesize`: its options, and what it prints."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich_argparse import RawDescriptionRichHelpFormatter

from templates import InputError

if TYPE_CHECKING:
    from data_tools.synthesize.job import Options, Summary

_METHODS = {
    "self-instruct": "new instructions from eight examples, classification or not, instances (arXiv 2212.10560)",
    "alpaca": "many whole tasks a request, filtered in the same way (Stanford Alpaca)",
    "evol-instruct": "instructions made harder round by round, with eliminators (WizardLM, arXiv 2304.12244)",
    "multi-turn": "conversations: a model that plays the user goes on from a seed",
}
_EXAMPLE = """\
example:
  chaku serve MODEL --no-ui &
  chaku data synthesize {method} --target 200 --out {method}/
  chaku data prepare {method}/messages.jsonl --model BASE --template {template} --out data/

A run that was killed goes on where it was when the same command is given again: no reply is paid for twice.
"""
_SUMMARY_RULES = 12


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    synthesize = commands.add_parser(
        "synthesize",
        help="make instructions or conversations with a served model",
        description="Make instructions or conversations with a model behind an OpenAI-compatible API.",
        epilog=_EXAMPLE.format(method="alpaca", template="alpaca"),
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    methods = synthesize.add_subparsers(title="methods", metavar="METHOD", required=True)
    for name, summary in _METHODS.items():
        template = {"alpaca": "alpaca", "self-instruct": "alpaca", "evol-instruct": "wizardlm"}.get(name, "vicuna_v1.1")
        method = methods.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=_EXAMPLE.format(method=name, template=template),
            formatter_class=RawDescriptionRichHelpFormatter,
        )
        _add_options(method, name)
        method.set_defaults(run=_synthesize, method=name)


def _add_options(parser: argparse.ArgumentParser, method: str) -> None:
    add = parser.add_argument
    add("--out", required=True, type=Path, metavar="DIR", help="the directory of this run: its store and its files")
    add("--target", required=True, type=int, metavar="N", help="records to make")
    url = "http://127.0.0.1:8000/v1"
    add("--base-url", default=url, metavar="URL", help="the API (default: %(default)s, where `chaku serve` has it)")
    add("--model", metavar="NAME", help="the model's name there (default: the only one that it serves)")
    add("--api-key", metavar="KEY", help="the server's key (default: OPENAI_API_KEY)")
    add("--seeds", type=Path, metavar="FILE", help="tasks to start from, JSON or JSON Lines (default: ours)")
    add("--prompts", type=Path, metavar="DIR", help="prompt files that take the place of ours of the same name")
    add("--language", choices=("en", "zh"), default="en", help="of the prompts and of our seeds (default: %(default)s)")
    add("--budget", metavar="AMOUNT", help="spend at most 2M tokens, '$5' or '200 requests', over all runs in DIR")
    price = "dollars for a million prompt and a million completion tokens, which the server's owner asks"
    add("--price", type=float, nargs=2, metavar=("PROMPT", "COMPLETION"), help=price)
    add("--concurrency", type=int, default=16, metavar="N", help="requests at once (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="fixes what is drawn by chance (default: %(default)s)")
    add("--temperature", type=float, metavar="T", help="instead of the method's own; decisions stay greedy")
    add("--top-p", type=float, metavar="P", help="instead of the method's own")
    add("--max-tokens", type=int, metavar="N", help="at most so many tokens a reply (default: the method's own)")
    if method == "evol-instruct":
        add("--rounds", type=int, default=4, metavar="M", help="rounds of evolution a seed (default: %(default)s)")
    if method == "multi-turn":
        add("--turns", type=int, default=3, metavar="N", help="most questions a conversation (default: %(default)s)")


def _synthesize(arguments: argparse.Namespace) -> int:
    from data_tools.synthesize.job import synthesize

    options = _options(arguments)
    summary = synthesize(options)
    _print(options, summary)
    return 0


def _options(arguments: argparse.Namespace) -> "Options":
    """Raises InputError for numbers that make no sense."""
    from data_tools.synthesize.budget import Price, parse_budget
    from data_tools.synthesize.job import Options
    from data_tools.synthesize.run import Overrides

    asked = vars(arguments)
    least = {"target": 1, "concurrency": 1, "max_tokens": 16, "rounds": 1, "turns": 2}
    for name, fewest in least.items():
        if asked.get(name) is not None and asked[name] < fewest:
            raise InputError(f"--{name.replace('_', '-')} {asked[name]}: give {fewest} or more")
    for name, most in (("temperature", 2.0), ("top_p", 1.0)):
        if asked[name] is not None and not 0 <= asked[name] <= most:
            raise InputError(f"--{name.replace('_', '-')} {asked[name]}: give a number from 0 to {most}")
    budget = parse_budget(arguments.budget) if arguments.budget else None
    price = Price(*arguments.price) if arguments.price else None
    if budget and budget.unit == "dollars" and not price:
        raise InputError(f"--budget {arguments.budget}: needs --price PROMPT COMPLETION, in dollars a million tokens")
    names = ("method", "out", "target", "base_url", "model", "seeds", "prompts", "language", "concurrency", "seed")
    own = {name: asked[name] for name in ("rounds", "turns") if name in asked}
    return Options(
        **{name: asked[name] for name in names},
        **own,
        api_key=arguments.api_key or os.environ.get("OPENAI_API_KEY"),
        budget=budget,
        price=price,
        overrides=Overrides(arguments.temperature, arguments.top_p, arguments.max_tokens),
    )


def _print(options: "Options", summary: "Summary") -> None:
    """What became of it, and that the store adds up."""
    from rich.console import Console
    from rich.table import Table

    outcome, sums = summary.outcome, summary.sums
    table = Table(title=f"{options.method}: {options.out}", title_justify="left", show_header=False)
    table.add_row("kept", f"{len(outcome.kept):,} of {options.target:,}")
    for rule, count in outcome.reasons.most_common(_SUMMARY_RULES):
        table.add_row(f"rejected: {rule}", f"{count:,}")
    rate = summary.asked / max(summary.seconds, 0.1)
    table.add_row("requests of this run", f"{summary.asked:,} in {summary.seconds:.1f} s, {rate:.2f}/s")
    table.add_row(
        "attempts in the store",
        f"{sums.attempts:,} = {sums.replies:,} replies + {sums.failures:,} failures + {sums.lost:,} cut off",
    )
    table.add_row("tokens in the store", f"{sums.prompt_tokens:,} prompt, {sums.completion_tokens:,} completion")
    if options.price:
        table.add_row("cost", f"${summary.dollars:,.2f}")
    table.add_row("replies kept to a JSON schema", "yes" if summary.structured else "no: the server does not offer it")
    Console().print(table)
    if summary.ended:
        print(f"note: ended with {len(outcome.kept):,} of {options.target:,} records: {summary.ended}")
