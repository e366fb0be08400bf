"""`chaku data convert`: its options, and what it prints."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.commands.common import add_reading_options
from data_tools.wording import in_words

_EXAMPLES = """\
examples:
  chaku data convert dump.json --to messages --out conversations.jsonl
  chaku data convert conversations.jsonl --to alpaca --out alpaca.jsonl

Texts stay as they are; `chaku data clean` cleans them. What a convention cannot hold is printed with its count.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    convert = commands.add_parser(
        "convert",
        help="write dumps in another convention, word for word",
        description="Write the conversations of dumps as JSON Lines in another convention, word for word.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = convert.add_argument
    add("inputs", nargs="+", type=Path, metavar="INPUT", help="a dump, packed or not, a folder of dumps, or a .zip")
    add("--to", required=True, choices=("sharegpt", "messages", "alpaca"), help="the convention to write")
    add("--out", required=True, type=Path, metavar="FILE", help="the JSON Lines file to write")
    add_reading_options(convert)
    convert.set_defaults(run=_convert)


def _convert(arguments: argparse.Namespace) -> int:
    from data_tools.convert import convert

    asked = {name: getattr(arguments, name) for name in ("to", "out", "format", "branches")}
    done = convert(arguments.inputs, **asked)
    print(f"wrote {done.written:,} conversations to {arguments.out}")
    print(f"what {arguments.to} cannot hold: {in_words(done.not_held)}")
    print(f"turns without a known role or a text: {in_words(done.unreadable)}")
    return 0
