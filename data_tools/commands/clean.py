"""`chaku data clean`: its options, and what it prints."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.commands.common import add_rules_option, check_workers, rules_of
from data_tools.wording import in_words


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    clean = commands.add_parser(
        "clean",
        help="clean dumps and write them as conversations",
        description="Clean dumps, repair their roles, and write them as JSON Lines, one conversation a line.",
        epilog="example:\n  chaku data clean dump.json --out conversations.jsonl\n",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = clean.add_argument
    add("inputs", nargs="+", type=Path, metavar="INPUT", help="a dump or a conversations file")
    add("--out", required=True, type=Path, metavar="FILE", help="the JSON Lines file to write")
    add("--workers", type=int, metavar="N", help="cleaning processes (default: one a core for big dumps)")
    add_rules_option(clean)
    clean.set_defaults(run=_clean)


def _clean(arguments: argparse.Namespace) -> int:
    check_workers(arguments.workers)
    from data_tools.clean import clean

    done = clean(arguments.inputs, out=arguments.out, workers=arguments.workers, rules=rules_of(arguments))
    print(f"wrote {done.written:,} of {done.conversations:,} conversations to {arguments.out}")
    print(f"turns changed, by rule: {in_words(done.changed)}")
    print(f"turns left out, by rule: {in_words(done.rejected)}")
    return 0
