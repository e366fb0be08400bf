"""`chaku data ...`: finds the command; each has a file of its own in `commands/`."""

import argparse
from collections.abc import Callable

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.commands import clean, convert, inspect, merge, prepare, sample, stats, synthesize

_COMMANDS = (prepare, stats, inspect, clean, convert, merge, sample, synthesize)


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
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser
