"""`chaku data ...`: what is asked for on the command line, and a summary of what was done."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich_argparse import RawDescriptionRichHelpFormatter

from templates.errors import InputError

_PREPARE_EXAMPLE = """\
example:
  chaku data prepare dump.json --model SmolLM2-135M/ --template vicuna_v1.1 --out data/

A dump is JSON (a list), or JSON Lines, of records like
  {"id": "...", "conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}
Replies may be markdown or ChatGPT's HTML. DIR gets train/ and held_out/ (windows as Parquet, conversations as
JSON Lines), manifest.json with all counts, and ledger.parquet with the fate of each input turn.
"""


def main(argv: list[str]) -> int:
    """Run one of the data commands; returns the exit code. Raises InputError for bad input."""
    arguments = build_parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `chaku data`."""
    parser = argparse.ArgumentParser(
        prog="chaku data",
        description="Turn chat dumps into packed windows for training.",
        epilog="example:\n  chaku data prepare dump.json --model BASE --template vicuna_v1.1 --out data/",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_prepare(commands)
    _add_convert(commands)
    return parser


def _add_prepare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    prepare = commands.add_parser(
        "prepare",
        help="clean, split, tokenise and pack dumps into windows",
        description="Clean dumps, hold some conversations out, tokenise the rest and pack it into windows.",
        epilog=_PREPARE_EXAMPLE,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = prepare.add_argument
    add("inputs", nargs="+", type=Path, metavar="INPUT", help="a dump: ShareGPT JSON or JSON Lines")
    add("--model", required=True, metavar="DIR", help="the model whose tokenizer is used: a directory or a hub name")
    add("--template", required=True, metavar="NAME", help="the prompt template, for instance vicuna_v1.1")
    add("--out", required=True, type=Path, metavar="DIR", help="where to write; an earlier output there is replaced")
    add("--window", type=int, default=2048, metavar="N", help="tokens in a window (default: %(default)s)")
    add("--held-out", type=float, default=0.02, metavar="SHARE", help="share held out (default: %(default)s)")
    add("--overlap", type=int, default=0, metavar="N", help="pairs repeated as context after a cut (default: 0)")
    add("--seed", type=int, default=0, metavar="N", help="fixes the split and the order (default: %(default)s)")
    add("--workers", type=int, metavar="N", help="cleaning processes (default: one a core for big dumps)")
    prepare.set_defaults(run=_prepare)


def _add_convert(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    convert = commands.add_parser(
        "convert",
        help="clean dumps and write them in another convention",
        description="Clean dumps, repair their roles, and write them as JSON Lines in another convention.",
        epilog="example:\n  chaku data convert dump.json --to messages --out conversations.jsonl\n",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = convert.add_argument
    add("inputs", nargs="+", type=Path, metavar="INPUT", help="a dump: ShareGPT JSON or JSON Lines")
    add("--to", required=True, choices=("sharegpt", "messages"), help="the convention to write")
    add("--out", required=True, type=Path, metavar="FILE", help="the JSON Lines file to write")
    add("--workers", type=int, metavar="N", help="cleaning processes (default: one a core for big dumps)")
    convert.set_defaults(run=_convert)


def _convert(arguments: argparse.Namespace) -> int:
    _check_workers(arguments.workers)
    from data_tools.convert import convert

    written, rejected = convert(arguments.inputs, to=arguments.to, out=arguments.out, workers=arguments.workers)
    named = ", ".join(f"{rule} {turns:,}" for rule, turns in rejected.most_common()) or "none"
    print(f"wrote {written:,} conversations to {arguments.out}; turns left out, by rule: {named}")
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    _check_ranges(arguments)
    from data_tools.prepare import Options, prepare

    given = {key: value for key, value in vars(arguments).items() if key not in ("run", "inputs")}
    manifest = prepare(Options(inputs=tuple(arguments.inputs), **given))
    print_summary(manifest, arguments.out)
    return 0


def _check_ranges(arguments: argparse.Namespace) -> None:
    if not 0 <= arguments.held_out < 1:
        raise InputError(f"--held-out {arguments.held_out}: give a share of at least 0 and below 1, for instance 0.02")
    if arguments.window < 1:
        raise InputError(f"--window {arguments.window}: give the number of tokens in a window, for instance 2048")
    if arguments.overlap < 0:
        raise InputError(f"--overlap {arguments.overlap}: give the number of pairs to repeat, 0 or more")
    _check_workers(arguments.workers)


def _check_workers(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give the number of processes, 1 or more")


def print_summary(manifest: dict[str, Any], out: Path) -> None:
    """What was done, as a table on stdout."""
    from rich.console import Console
    from rich.table import Table

    columns = {"all": manifest["counts"], **manifest["parts"]}
    table = Table(title=f"{manifest['template']}, windows of {manifest['window']} tokens", title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for key in manifest["counts"]:
        values = (counts[key] for counts in columns.values())
        table.add_row(key.replace("_", " "), *(f"{v:.4f}" if isinstance(v, float) else f"{v:,}" for v in values))
    console = Console()
    console.print(table)
    if manifest["rejected"]:
        rejected = Table(title="rejected turns, by rule", title_justify="left")
        for name in ("rule", "turns", "supervised tokens"):
            rejected.add_column(name, justify="left" if name == "rule" else "right")
        for rule, held in manifest["rejected"].items():
            rejected.add_row(rule, f"{held['turns']:,}", f"{held['supervised_tokens']:,}")
        console.print(rejected)
    console.print(f"written to {out} in {manifest['seconds']} s", markup=False, highlight=False)
