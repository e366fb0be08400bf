"""`chaku data merge`: its options, and what it prints."""

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.commands.common import check_n
from templates import InputError

if TYPE_CHECKING:
    from data_tools.merge import Source, Taken

_EXAMPLE = """\
example:
  chaku data merge --source sharegpt.json=3 --source alpaca.jsonl=1 --out mix.jsonl

Three conversations in four come from sharegpt.json. Without --n the mix is as large as these shares allow.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    merge = commands.add_parser(
        "merge",
        help="mix several sources with weights",
        description="Mix the conversations of several sources with weights, word for word, into one file.",
        epilog=_EXAMPLE,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = merge.add_argument
    source_help = "a dump or conversations file and its weight among the conversations; once for each source"
    add("--source", required=True, action="append", dest="sources", metavar="PATH=WEIGHT", help=source_help)
    add("--n", type=int, metavar="N", help="conversations to write (default: as many as the weights allow)")
    add("--seed", type=int, default=0, metavar="N", help="fixes choice and order (default: %(default)s)")
    add("--out", required=True, type=Path, metavar="FILE", help="the JSON Lines file to write")
    merge.set_defaults(run=_merge)


def _merge(arguments: argparse.Namespace) -> int:
    if arguments.n is not None:
        check_n(arguments.n)
    from data_tools.merge import merge

    sources = [_source(text) for text in arguments.sources]
    taken = merge(sources, out=arguments.out, seed=arguments.seed, n=arguments.n)
    _print(taken)
    print(f"wrote {sum(one.taken for one in taken):,} conversations to {arguments.out}")
    return 0


def _source(text: str) -> "Source":
    from data_tools.merge import Source

    path, _, weight = text.rpartition("=")
    try:
        number = Fraction(weight)
    except (ValueError, ZeroDivisionError):
        number = Fraction(0)
    if not path or number <= 0:
        raise InputError(f"--source {text}: give a path and a weight above 0, for instance dump.json=1")
    return Source(Path(path), number)


def _print(taken: "list[Taken]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("source", "asked", "written", "conversations", "taken", "left out"):
        table.add_column(name, justify="left" if name == "source" else "right", overflow="fold")
    weights, total = sum(one.source.weight for one in taken), sum(one.taken for one in taken)
    for one in taken:
        asked, written = float(one.source.weight / weights), one.taken / max(1, total)
        numbers = (one.conversations, one.taken, one.conversations - one.taken)
        table.add_row(Text(str(one.source.path)), f"{asked:.2%}", f"{written:.2%}", *(f"{n:,}" for n in numbers))
    Console().print(table)
