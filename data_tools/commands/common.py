"""What several data commands share."""

import argparse
from collections import Counter

from data_tools.records import FORMATS
from templates import InputError


def check_workers(workers: int | None) -> None:
    """Raise InputError where `--workers` is not a number of processes."""
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give the number of processes, 1 or more")


def check_n(n: int) -> None:
    """Raise InputError where `--n` is not a number of conversations."""
    if n < 1:
        raise InputError(f"--n {n}: give the number of conversations to write, 1 or more")


def in_words(counts: Counter[str]) -> str:
    """Counts by name, the largest first.

    >>> in_words(Counter(empty=1, leading_reply=1203))
    'leading_reply 1,203, empty 1'
    """
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered) or "none"


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add `--format` and `--branches`, which say how dumps are read."""
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        metavar="NAME",
        help=f"read every record as one of {', '.join(FORMATS)} (default: told by each record's shape)",
    )
    parser.add_argument(
        "--branches",
        choices=("main", "all"),
        default="main",
        help="of a chat that branches, the path shown last or ranked best, or every path (default: %(default)s)",
    )
