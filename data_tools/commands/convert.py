"""`chaku data convert`: its options, and what it prints."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.commands.common import check_workers


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
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
    check_workers(arguments.workers)
    from data_tools.convert import convert

    written, rejected = convert(arguments.inputs, to=arguments.to, out=arguments.out, workers=arguments.workers)
    named = ", ".join(f"{rule} {turns:,}" for rule, turns in rejected.most_common()) or "none"
    print(f"wrote {written:,} conversations to {arguments.out}; turns left out, by rule: {named}")
    return 0
