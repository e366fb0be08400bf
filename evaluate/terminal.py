"""The figures of a report on the terminal: the sentence, a table of what was measured, where the page is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_SHARES = (
    ("stopped", "ends by itself"),
    ("empty", "is empty"),
    ("looping", "ends in a loop"),
    ("repeated", "repeated 4-grams"),
    ("same_language", "in the question's language"),
)


def show(results: Mapping[str, Any], out: Path) -> None:
    """Print the summary and the figures of each model side by side."""
    console = Console()
    names = [model["name"] for model in results["models"]]
    table = Table("", *(escape(name) for name in names), title_justify="left", box=None, header_style="bold")
    for title, values in rows(results):
        table.add_row(title, *values)
    console.print(escape(results["summary"]), style="bold", highlight=False)
    for judged in results["judged"]:
        for warning in judged["warnings"]:
            console.print(f"! {escape(warning)}", style="yellow", highlight=False)
    console.print(table, highlight=False)
    if results["failures"]:
        console.print(f"{len(results['failures'])} failures, all named in the report", highlight=False)
    console.print(f"report: {escape(str(out / 'report.html'))}", highlight=False, soft_wrap=True)


def rows(results: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The table's rows: a title, and a cell for each model; what was not measured has none."""
    found: list[tuple[str, list[str]]] = []
    for judged in results["judged"]:
        tops = [scores[0] if scores else None for scores in judged["scores"]]
        _add(found, f"score of 10 by {escape(judged['judge'])}", tops, _mean("{:.2f}"))
    checks = results["checks"]
    _add(found, "held-out loss (nats a token)", [one and one["loss"] for one in checks["held_out"]], _mean("{:.4f}"))
    _add(found, "held-out perplexity", [one and one["perplexity"] for one in checks["held_out"]], "{:.2f}".format)
    for name, title in _SHARES:
        _add(found, title, [one[name] for one in checks["answers"]], _mean("{:.0%}"))
    medians = [one["tokens"] or one["characters"] for one in checks["answers"]]
    unit = "tokens" if all(one["tokens"] for one in checks["answers"]) else "characters"
    _add(found, f"median length ({unit})", medians, lambda one: f"{one['median']:.0f}")
    strict = [one and one["prompts_strict"] for one in checks["instructions"]]
    _add(found, "instructions followed", strict, _mean("{:.0%}"))
    _add(found, "prompts read as in training", checks["parity"], lambda one: f"{one['agreed']}/{one['conversations']}")
    return found


def _mean(form: str) -> Callable[[Any], str]:
    """A mean with its interval, in the form of its number."""

    def text(estimate: Mapping[str, float | None]) -> str:
        mean = form.format(estimate["mean"])
        if estimate["low"] is None:
            return mean
        return f"{mean} [dim]({form.format(estimate['low'])}-{form.format(estimate['high'])})[/]"

    return text


def _add(rows: list[tuple[str, list[str]]], title: str, values: Sequence[Any], text: Callable[[Any], str]) -> None:
    if any(value is not None for value in values):
        rows.append((title, ["-" if value is None else text(value) for value in values]))
