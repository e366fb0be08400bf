"""OUT.run/report.html: a run as one page that opens anywhere; no script, no network, no text of the data as markup."""

import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_tools.atomic import whole_file
from train.metrics import GENERATIONS, METRICS, whole_lines
from train.plots import Points, in_short, line_plot

FILE_NAME = "report.html"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = (Path(__file__).parent / "assets" / "report.css").read_text(encoding="utf-8")
_PLOTS = (
    ("Loss", ("loss", "held_out_loss"), "cross-entropy per supervised token, in nats"),
    ("Held-out accuracy", ("held_out_accuracy",), "share of supervised tokens whose likeliest guess was right"),
    ("Learning rate", ("learning_rate",), "of the optimizer's step"),
    ("Gradient norm", ("grad_norm",), "before clipping"),
    ("Speed", ("tokens_per_second", "supervised_tokens_per_second"), "tokens a second, over all ranks"),
    (
        "Use of the machine",
        ("mfu",),
        "model FLOPs (MFU), as a share of the devices' peak (a CPU's is measured at the start)",
    ),
)
_NAMES = {"loss": "training", "held_out_loss": "held-out", "tokens_per_second": "all tokens"}
_NAMES["supervised_tokens_per_second"] = "supervised tokens"
_PACKAGES = ("chaku", "torch", "transformers", "tokenizers")


def write_report(
    directory: Path,
    *,
    title: str,
    state: str,
    summary: Mapping[str, float],
    recipe: Mapping[str, Any],
    manifest: Mapping[str, Any],
    setting: Mapping[str, str],
) -> Path:
    """Write the page from `metrics.jsonl` in `directory` and what else is known; returns its path.

    `state` says how the run ended, `summary` its final figures, `setting` where it ran (device, ranks, attention).
    """
    series = read_series(directory / METRICS)
    counts: Mapping[str, Any] = manifest.get("counts", {})
    rejected = {rule: held["turns"] for rule, held in manifest.get("rejected", {}).items()}
    sections = [
        _tiles(_headline(summary)),
        '<section class="plots">',
        *(_plot(title, names, note, series) for title, names, note in _PLOTS),
        "</section>",
        _replies(read_replies(directory / GENERATIONS)),
        '<section class="tables">',
        _table("Recipe", flat(recipe)),
        _table("Data", {**{key: manifest.get(key) for key in ("template", "tokenizer", "window")}, **counts}),
        _table("Rejected turns, by rule", rejected) if rejected else "",
        _table("Where it ran", {**setting, **environment()}),
        "</section>",
    ]
    path = directory / FILE_NAME
    with whole_file(path) as temporary:
        temporary.write_text(_page(title, state, "\n".join(sections)), encoding="utf-8")
    return path


def read_series(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The figures of `metrics.jsonl` by name, each as (step, value)."""
    series: dict[str, list[tuple[int, float]]] = {}
    for line in whole_lines(path):
        figures = json.loads(line)
        step = figures.pop("step")
        for name, value in figures.items():
            series.setdefault(name, []).append((step, value))
    return series


def read_replies(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The replies in `generations.jsonl`, by their prompt, in the order of the steps."""
    replies: dict[str, list[dict[str, Any]]] = {}
    for line in whole_lines(path):
        reply = json.loads(line)
        replies.setdefault(reply["prompt"], []).append(reply)
    return replies


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names.

    >>> flat({"optimizer": {"lr": 2e-5}, "seed": 0})
    {'optimizer.lr': 2e-05, 'seed': 0}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def environment() -> dict[str, str]:
    """The machine and the versions that take part."""
    packages = {name: version(name) for name in _PACKAGES}
    return {"processor cores": str(os.cpu_count()), "python": platform.python_version(), **packages}


def _headline(summary: Mapping[str, float]) -> dict[str, str]:
    """The figures that a reader looks for first."""
    before, after = summary.get("before_held_out_loss"), summary.get("held_out_loss")
    tiles = {"steps": in_short(summary["steps"])}
    if before is not None and after is not None:
        tiles["held-out loss"] = f"{before:.4f} \u2192 {after:.4f}"
    if "held_out_accuracy" in summary:
        tiles["held-out token accuracy"] = f"{summary['held_out_accuracy']:.1%}"
    tiles["tokens seen"] = in_short(summary["tokens"])
    tiles["tokens a second"] = in_short(summary["tokens_per_second"])
    minutes = summary["seconds"] / 60
    return {**tiles, "training time": f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.1f} min"}


def _tiles(tiles: Mapping[str, str]) -> str:
    inside = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles.items())
    return f'<dl class="tiles">{inside}</dl>'


def _plot(title: str, names: Iterable[str], note: str, series: Mapping[str, Points]) -> str:
    shown = {_NAMES.get(name, name): series[name] for name in names if name in series}
    keys = "".join(f'<span class="key k{number}">{escape(name)}</span>' for number, name in enumerate(shown))
    legend = keys if len(shown) > 1 else ""
    drawn = line_plot(shown, label=f"{title} over the steps, {note}")
    caption = f"<figcaption><strong>{title}</strong> <small>{note}</small>{legend}</figcaption>"
    return f"<figure>{caption}{drawn}</figure>"


def _replies(replies: Mapping[str, list[dict[str, Any]]]) -> str:
    """Each prompt with its first and its last reply, side by side where there is room."""
    shown = "".join(
        f'<figure><p class="prompt">{escape(prompt)}</p>{_first_and_last(given)}</figure>'
        for prompt, given in replies.items()
    )
    title = "Replies to fixed prompts, before and after"
    return f'<section class="replies"><h2>{title}</h2>{shown}</section>' if shown else ""


def _first_and_last(given: list[dict[str, Any]]) -> str:
    shown = given[:1] if len(given) == 1 else [given[0], given[-1]]
    return f'<div class="pair">{"".join(map(_reply, shown))}</div>'


def _reply(reply: Mapping[str, Any]) -> str:
    when = "before the first step" if reply["step"] == 0 else f"after step {reply['step']:,}"
    end = "ended by the model after" if reply["stopped"] else "cut at"
    text = escape(reply["text"]) or "<em>nothing</em>"
    tokens = f"{reply['tokens']} token{'s' if reply['tokens'] != 1 else ''}"
    return f"<div><small>{when}, {end} {tokens}</small><p>{text}</p></div>"


def _table(title: str, rows: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<tr><th scope=row>{_breakable(_in_words(name))}</th><td>{escape(_shown(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<div><h2>{escape(title)}</h2><table>{lines}</table></div>"


def _in_words(name: str) -> str:
    """A figure's name in words; an option's (`optimizer.max_grad_norm`) as it is given on the command line."""
    return name if "." in name else name.replace("_", " ")


def _breakable(name: str) -> str:
    """A name that a narrow table may break after a dot or an underscore."""
    return re.sub(r"(?<=[._])(?=\w)", "<wbr>", escape(name))


def _shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "not set" if value is None else str(value)
    return in_short(value)


def _page(title: str, state: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><p class="brand">chaku train</p><h1>{escape(title)}</h1><p class="dim">{escape(state)}</p></header>
<main>
{body}
</main>
</body>
</html>
"""
