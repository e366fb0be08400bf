"""`chaku data sample`: its options, and what it prints."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.commands.common import check_n


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    sample = commands.add_parser(
        "sample",
        help="write some conversations of a dump, chosen by chance",
        description="Write some conversations of dumps, chosen by chance with a seed, word for word as JSON Lines.",
        epilog="example:\n  chaku data sample dump.json --n 500 --seed 1 --out small.jsonl\n",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = sample.add_argument
    add("inputs", nargs="+", type=Path, metavar="INPUT", help="a dump or a conversations file")
    add("--n", required=True, type=int, metavar="N", help="how many conversations to write")
    add("--seed", type=int, default=0, metavar="N", help="fixes the choice (default: %(default)s)")
    add("--out", required=True, type=Path, metavar="FILE", help="the JSON Lines file to write")
    sample.set_defaults(run=_sample)


def _sample(arguments: argparse.Namespace) -> int:
    check_n(arguments.n)
    from data_tools.sample import sample

    seen = sample(arguments.inputs, n=arguments.n, seed=arguments.seed, out=arguments.out)
    print(f"wrote {arguments.n:,} of {seen:,} conversations to {arguments.out}")
    return 0
