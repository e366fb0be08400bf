"""The files of a run, beside its store; each is whole, and made anew from the results by every run."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data_tools.atomic import whole_file
from data_tools.synthesize.lineage import lineage
from data_tools.synthesize.records import Outcome

ALPACA, MESSAGES, REJECTED, LINEAGE = "alpaca.jsonl", "messages.jsonl", "rejected.jsonl", "lineage.jsonl"


def write_outputs(directory: Path, outcome: Outcome) -> None:
    """Write the records in both conventions, the rejects, and the lineage of what evolved."""
    _write(directory / ALPACA, (kept.as_alpaca() for kept in outcome.kept))
    _write(directory / MESSAGES, (kept.as_messages() for kept in outcome.kept))
    _write(directory / REJECTED, (reject.as_json() for reject in outcome.rejected))
    if nodes := lineage(outcome):
        _write(directory / LINEAGE, nodes)


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
