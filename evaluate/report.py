"""report.html: one file that needs no network; every text of models and judges reaches it as data alone."""

from pathlib import Path
from typing import Any

from data_tools.atomic import whole_file
from data_tools.html_page import assemble, asset

_SCRIPTS = ("plots.js", "tables.js", "questions.js", "report.js")


def write_page(results: dict[str, Any], path: Path) -> None:
    """Write the page whole or not at all. Raises InputError where it cannot be written."""
    with whole_file(path) as temporary:
        temporary.write_text(to_page(results), encoding="utf-8")


def to_page(results: dict[str, Any]) -> str:
    """The page's text: the whole is one block of data, and each question one more, read when it is opened."""
    items = results["items"]
    listed = [{**_listed(item), "place": place} for place, item in enumerate(items)]
    overview = {**{name: value for name, value in results.items() if name != "items"}, "list": listed}
    return assemble(
        html=asset("evaluate", "report.html"),
        styles=[asset("data_tools", "base.css"), asset("evaluate", "report.css")],
        scripts=[asset("data_tools", "dom.js"), *(asset("evaluate", name) for name in _SCRIPTS)],
        data={"overview": overview, **{f"item-{place}": item for place, item in enumerate(items)}},
    )


def _listed(item: dict[str, Any]) -> dict[str, Any]:
    """What the list shows of a question: its first words, its mean grades and outcomes by the first judge."""
    verdicts = item["verdicts"][0] if item["verdicts"] else {"grades": [], "pairs": []}
    grades = []
    for said in verdicts["grades"]:
        values = [one["value"] for one in said if one["value"] is not None]
        grades.append(sum(values) / len(values) if values else None)
    said_all = [one for said in verdicts["grades"] for one in said] + [
        one for pair in verdicts["pairs"] for one in pair["said"]
    ]
    missing = any(answer["finish_reason"] in ("refused", "missing") for side in item["answers"] for answer in side)
    return {
        "id": item["id"],
        "category": item["category"],
        "summary": " ".join(item["turns"][0].split())[:160],
        "grades": grades,
        "outcomes": [pair["outcome"] for pair in verdicts["pairs"]],
        "failed": missing or any(one["value"] is None for one in said_all),
        "at_limit": any(answer["finish_reason"] == "length" for side in item["answers"] for answer in side),
    }
