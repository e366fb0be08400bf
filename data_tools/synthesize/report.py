"""DIR/report.html: what a run made, how diverse it is, what was rejected and why, and how instructions evolved."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_tools.atomic import whole_file
from data_tools.html_page import assemble, asset
from data_tools.synthesize.diversity import diversity
from data_tools.synthesize.lineage import lineage, trees
from data_tools.synthesize.records import Outcome
from data_tools.synthesize.seed_tasks import Seed

FILE_NAME = "report.html"
# A page is for looking at: so many records, rejects a rule and trees, and characters of a text.
_MOST_RECORDS, _MOST_REJECTS, _MOST_TREES, _MOST_CHARACTERS = 300, 50, 200, 4000


def write_report(directory: Path, outcome: Outcome, seeds: Sequence[Seed], facts: Mapping[str, object]) -> None:
    """Write the page; `facts` are settings and sums by name, in the order in which they are shown."""
    with whole_file(directory / FILE_NAME) as temporary:
        temporary.write_text(to_page(directory.resolve().name, outcome, seeds, facts), encoding="utf-8")


def to_page(name: str, outcome: Outcome, seeds: Sequence[Seed], facts: Mapping[str, object]) -> str:
    """The page's text."""
    package = "data_tools.synthesize"
    return assemble(
        html=asset(package, "report.html"),
        styles=[asset("data_tools", "base.css"), asset(package, "report.css")],
        scripts=[
            asset("data_tools", "dom.js"),
            asset("data_tools.inspect", "plots.js"),
            asset(package, "report.js"),
        ],
        data={
            "overview": _overview(name, outcome, seeds, facts),
            "records": [_record(kept.as_messages()) for kept in outcome.kept[:_MOST_RECORDS]],
            "rejected": _rejected(outcome),
            "trees": _trees(outcome, seeds),
        },
    )


def _overview(name: str, outcome: Outcome, seeds: Sequence[Seed], facts: Mapping[str, object]) -> dict[str, Any]:
    measured = diversity(outcome, seeds)
    return {
        "name": name,
        "kept": len(outcome.kept),
        "rejected": len(outcome.rejected),
        "reasons": dict(outcome.reasons.most_common()),
        "verbs": measured.verbs,
        "pairs": measured.pairs,
        "nearest": measured.nearest,
        "seeds": len(seeds),
        "plots": [plot._asdict() for plot in measured.plots],
        "facts": [[key, _shown(value)] for key, value in facts.items()],
    }


def _record(line: Mapping[str, Any]) -> dict[str, Any]:
    """A record for the page: its texts, and where they come from."""
    synthesis = line["synthesis"]
    turns = [[message["role"], _clip(message["content"])] for message in line["messages"]]
    return {"id": line["id"], "turns": turns, "seeds": synthesis["seeds"], "prompt": synthesis["steps"][0]["prompt"]}


def _rejected(outcome: Outcome) -> dict[str, list[list[str]]]:
    """The first rejects of each rule, as (task, text, detail)."""
    found: dict[str, list[list[str]]] = defaultdict(list)
    for reject in outcome.rejected:
        if len(found[reject.rule]) < _MOST_REJECTS:
            found[reject.rule].append([reject.origin.task, _clip(reject.text), reject.detail])
    return found


def _trees(outcome: Outcome, seeds: Sequence[Seed]) -> list[dict[str, Any]]:
    """The lineage, each root with its seed's text."""
    texts = {seed.id: seed.question for seed in seeds}
    nodes = [{**node, "instruction": _clip(node["instruction"])} for node in lineage(outcome)]
    return [{**root, "instruction": _clip(texts[root["id"]])} for root in trees(nodes)[:_MOST_TREES]]


def _clip(text: str) -> str:
    more = len(text) - _MOST_CHARACTERS
    return f"{text[:_MOST_CHARACTERS]}\n[... {more:,} more characters]" if more > 0 else text


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not set"
    return f"{value:,}" if isinstance(value, int) else str(value)
