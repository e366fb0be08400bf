"""What several data commands share."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data_tools.records import FORMATS
from templates import InputError

if TYPE_CHECKING:
    from data_tools.rules.config import Rules


def check_workers(workers: int | None) -> None:
    """Raise InputError where `--workers` is not a number of processes."""
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give the number of processes, 1 or more")


def check_n(n: int) -> None:
    """Raise InputError where `--n` is not a number of conversations."""
    if n < 1:
        raise InputError(f"--n {n}: give the number of conversations to write, 1 or more")


def add_rules_option(parser: argparse.ArgumentParser) -> None:
    """Add `--rules`."""
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="YAML",
        help="which rules clean, reject and filter, with their options; examples/rules.yaml explains each",
    )


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that set a filter without a rules file."""
    add = parser.add_argument
    add("--lang", metavar="CODES", help="keep conversations in these languages, for instance en,zh (default: all)")
    add(
        "--near-duplicates",
        type=float,
        metavar="SIMILARITY",
        help="reject conversations so similar to an earlier one, for instance 0.8 (default: exact copies only)",
    )
    add(
        "--decontaminate",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="reject conversations that hold questions of these files: MT-bench's JSON Lines, or a question a line",
    )


def rules_of(arguments: argparse.Namespace) -> "Rules":
    """The rules that `--rules` and the filter options ask for. Raises InputError as `load_rules` does."""
    from data_tools.rules.config import load_rules

    rules, asked = load_rules(arguments.rules), vars(arguments)
    if asked.get("lang"):
        rules = replace(rules, languages=tuple(code.strip() for code in asked["lang"].split(",") if code.strip()))
    if asked.get("near_duplicates") is not None:
        if not 0 < asked["near_duplicates"] <= 1:
            raise InputError(
                f"--near-duplicates {asked['near_duplicates']}: give a similarity above 0 and up to 1, for instance 0.8"
            )
        rules = replace(rules, near_duplicate=asked["near_duplicates"])
    if asked.get("decontaminate"):
        rules = replace(rules, evaluation_questions=tuple(map(str, asked["decontaminate"])))
    return rules


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
