"""`chaku data stats`: its options, and what it prints."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    stats = commands.add_parser(
        "stats",
        help="what a prepared directory holds, in the terminal",
        description="Print what a prepared directory holds: totals, lengths, languages, window fill, and what the "
        "rules did.",
        epilog="example:\n  chaku data stats data/\n\n`chaku data inspect` shows the same as a page, with the texts.\n",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    stats.add_argument("folder", type=Path, metavar="DIR", help="a directory that `chaku data prepare` wrote")
    stats.set_defaults(run=_stats)


def _stats(arguments: argparse.Namespace) -> int:
    from rich.columns import Columns
    from rich.console import Console

    from data_tools.commands.tables import blocked_table, cleaning_table, histogram_table, rejected_table, totals_table
    from data_tools.prepared import open_prepared
    from data_tools.stats import histograms

    prepared = open_prepared(arguments.folder)
    plots = [histogram_table(histogram) for histogram in histograms(prepared)]
    counts = prepared.manifest["counts"]
    share = counts["supervised_tokens"] / max(1, counts["tokens"])
    kept = counts["supervised_tokens"] / max(1, counts["supervised_tokens_in"])
    console = Console()
    console.print(totals_table(prepared.manifest))
    console.print(
        f"{share:.1%} of all tokens are supervised; {kept:.1%} of the supervised tokens that came in are kept"
    )
    console.print()
    console.print(Columns(plots, padding=(1, 4)))
    console.print()
    console.print(rejected_table(prepared.manifest))
    console.print(cleaning_table(prepared.manifest["cleaning"]))
    if blocked := prepared.manifest["cleaning"].get("blocked_phrase"):
        console.print(blocked_table(blocked["turns_with"]))
    return 0
