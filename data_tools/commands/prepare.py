"""`chaku data prepare`: its options, and the summary that it prints."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.commands.common import (
    add_filter_options,
    add_reading_options,
    add_rules_option,
    check_workers,
    rules_of,
)
from templates import InputError

_PREPARE_EXAMPLE = """\
example:
  chaku data prepare dump.json --model SmolLM2-135M/ --template vicuna_v1.1 --out data/

docs/data.md lists the formats that can be read; a ShareGPT dump is JSON or JSON Lines of records like
  {"id": "...", "conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}
Replies may be markdown or ChatGPT's HTML. DIR gets train/ and held_out/ (windows as Parquet, conversations as
JSON Lines), manifest.json with all counts, and ledger.parquet with the fate of each input turn.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    prepare = commands.add_parser(
        "prepare",
        help="clean, split, tokenise and pack dumps into windows",
        description="Clean dumps, hold some conversations out, tokenise the rest and pack it into windows.",
        epilog=_PREPARE_EXAMPLE,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = prepare.add_argument
    add("inputs", nargs="+", type=Path, metavar="INPUT", help="a dump, packed or not, a folder of dumps, or a .zip")
    add("--model", required=True, metavar="DIR", help="the model whose tokenizer is used: a directory or a hub name")
    add("--template", required=True, metavar="NAME", help="the prompt template, for instance vicuna_v1.1")
    add("--out", required=True, type=Path, metavar="DIR", help="where to write; an earlier output there is replaced")
    add("--window", type=int, default=2048, metavar="N", help="tokens in a window (default: %(default)s)")
    add("--held-out", type=float, default=0.02, metavar="SHARE", help="share held out (default: %(default)s)")
    add("--overlap", type=int, default=0, metavar="N", help="pairs repeated as context after a cut (default: 0)")
    add("--max-pairs", type=int, default=0, metavar="N", help="pairs kept of a conversation (default: all)")
    add("--only-last-turn", action="store_true", help="teach only the last reply of each conversation")
    add("--seed", type=int, default=0, metavar="N", help="fixes the split and the order (default: %(default)s)")
    add("--workers", type=int, metavar="N", help="processes (default: one a core for big dumps)")
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="work on this machine, or by Ray Data on a cluster, with the same result (default: %(default)s)",
    )
    add_rules_option(prepare)
    add_filter_options(prepare)
    add_reading_options(prepare)
    prepare.set_defaults(run=_prepare)


def _prepare(arguments: argparse.Namespace) -> int:
    _check_ranges(arguments)
    from data_tools.prepare import Options, prepare

    plain = {field.name for field in fields(Options)} - {"inputs", "rules"}
    given = {key: value for key, value in vars(arguments).items() if key in plain}
    manifest = prepare(Options(inputs=tuple(arguments.inputs), rules=rules_of(arguments), **given))
    print_summary(manifest, arguments.out)
    return 0


def _check_ranges(arguments: argparse.Namespace) -> None:
    if not 0 <= arguments.held_out < 1:
        raise InputError(f"--held-out {arguments.held_out}: give a share of at least 0 and below 1, for instance 0.02")
    if arguments.window < 1:
        raise InputError(f"--window {arguments.window}: give the number of tokens in a window, for instance 2048")
    if arguments.overlap < 0:
        raise InputError(f"--overlap {arguments.overlap}: give the number of pairs to repeat, 0 or more")
    if arguments.max_pairs < 0:
        raise InputError(f"--max-pairs {arguments.max_pairs}: give the number of pairs to keep, or 0 for all")
    check_workers(arguments.workers)


def print_summary(manifest: dict[str, Any], out: Path) -> None:
    """What was done, as a table on stdout."""
    from rich.console import Console

    from data_tools.commands.tables import rejected_table, totals_table

    console = Console()
    console.print(totals_table(manifest))
    if manifest["rejected"]:
        console.print(rejected_table(manifest))
    console.print(f"written to {out} in {manifest['seconds']} s", markup=False, highlight=False)
