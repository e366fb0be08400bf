"""Tables that several data commands print: totals, what was rejected, what the cleaning rules changed."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from data_tools.stats import Histogram

_BAR = 18
_EIGHTHS = " ▏▎▍▌▋▊▉"


def totals_table(manifest: Mapping[str, Any]) -> Table:
    """The counts of the manifest, for all and for each part."""
    columns = {"all": manifest["counts"], **manifest["parts"]}
    table = Table(title=f"{manifest['template']}, windows of {manifest['window']} tokens", title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for key in manifest["counts"]:
        values = (counts[key] for counts in columns.values())
        table.add_row(key.replace("_", " "), *(f"{v:.4f}" if isinstance(v, float) else f"{v:,}" for v in values))
    return table


def rejected_table(manifest: Mapping[str, Any]) -> Table:
    """The rejected turns, and the supervised tokens that they held, by rule."""
    table = _table("rejected turns, by rule", "rule", "turns", "supervised tokens")
    for rule, held in manifest["rejected"].items():
        table.add_row(Text(rule), f"{held['turns']:,}", f"{held['supervised_tokens']:,}")
    return table


def cleaning_table(cleaning: Mapping[str, Mapping[str, Any]]) -> Table:
    """The cleaning rules in their order, and how many turns each changed or joined; block lists change none."""
    table = _table("cleaning rules", "rule", "version", "turns changed")
    for rule, done in cleaning.items():
        turns = done.get("turns_changed", done.get("turns_joined"))
        if turns is not None:
            table.add_row(Text(rule), str(done["version"]), f"{turns:,}")
    return table


def blocked_table(turns_with: Mapping[str, int]) -> Table:
    """The blocked phrases, and how many turns held each; the most first."""
    table = _table("blocked phrases", "phrase", "turns with it")
    for phrase, turns in turns_with.items():
        table.add_row(Text(phrase), f"{turns:,}")
    return table


def histogram_table(histogram: Histogram) -> RenderableType:
    """A histogram with a bar a line, as wide as its count."""
    grid = Table.grid(padding=(0, 1))
    grid.title, grid.title_justify = Text(histogram.title, "bold"), "left"
    grid.caption, grid.caption_justify = Text(f"{histogram.unit}\n{histogram.note}", "dim"), "left"
    grid.add_column(justify="right")
    grid.add_column(min_width=_BAR)
    grid.add_column(justify="right")
    most = max((count for _, count in histogram.bars), default=1) or 1
    for label, count in histogram.bars:
        grid.add_row(label, Text(_bar(count / most), "green"), f"{count:,}")
    return grid


def _bar(share: float) -> str:
    """A bar of up to 18 cells, in eighths of a cell; the least that is there is seen."""
    eighths = max(round(share * _BAR * 8), 1 if share else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _table(title: str, name: str, *numbers: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(name)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table
