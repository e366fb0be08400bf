"""The manifest: what the windows were made from, by what, and sums that anyone can check against the ledger."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_tools.documents import Rows
from data_tools.ledger import turn_counts
from data_tools.pieces import JOINED
from data_tools.readers import input_files
from data_tools.rules.cleaner import PHRASE
from data_tools.rules.text import RULES
from templates.encoder import Encoder

FILE_NAME = "manifest.json"
PARTS = ("train", "held_out")


def part_counts(
    table: pa.Table, conversations_in: int, *, documents: Rows, windows: int, window: int
) -> dict[str, int | float]:
    """The counts of one part, or of the whole: see DESIGN.md for the names. `table` is its share of the ledger."""
    counts = turn_counts(table)
    tokens = int(documents["length"].sum(dtype=np.int64))
    supervised = int(documents["supervised"].sum(dtype=np.int64))
    assert supervised == counts["supervised_tokens"], "the ledger and the windows disagree"  # noqa: S101
    return {
        "conversations_in": conversations_in,
        "conversations_kept": len(np.unique(documents["conversation"])),
        **counts,
        "documents": len(documents),
        "tokens": tokens,
        "windows": windows,
        "fill": tokens / (windows * window) if windows else 0.0,
    }


def describe_encoder(encoder: Encoder, *, model: str) -> dict[str, object]:
    """What decides the token ids."""
    return {
        "fingerprint": asdict(encoder.fingerprint),
        "template": encoder.template.name,
        "tokenizer": model,
    }


def describe_inputs(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Each input file, also those of folders, with its size and sha256."""
    described: list[dict[str, object]] = []
    for path in (file for given in paths for file in input_files(given)):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        described.append({"file": str(path), "bytes": path.stat().st_size, "sha256": digest})
    return described


def describe_cleaning(changed: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The cleaning rules in their order: version, and how many turns each changed; after them the turns of joined
    pieces, and the hits of each blocked phrase.

    >>> describe_cleaning({"zero_width": 3, "blocked_phrase: as an AI": 2})["blocked_phrase"]
    {'version': 1, 'turns_with': {'as an AI': 2}}
    """
    described: dict[str, dict[str, Any]] = {
        rule.name: {"version": rule.version, "turns_changed": changed.get(rule.name, 0)} for rule in RULES
    }
    if changed.get(JOINED):
        described[JOINED] = {"version": 1, "turns_joined": changed[JOINED]}
    hits = {name.removeprefix(PHRASE): turns for name, turns in changed.items() if name.startswith(PHRASE)}
    if hits:
        ordered = dict(sorted(hits.items(), key=lambda hit: (-hit[1], hit[0])))
        described["blocked_phrase"] = {"version": 1, "turns_with": ordered}
    return described


def versions() -> dict[str, str]:
    """The versions of what takes part."""
    packages = ("chaku", "transformers", "tokenizers", "selectolax", "ftfy", "py3langid", "rensa", "pyarrow")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def of_part(table: pa.Table, part: str) -> pa.Table:
    """The rows of the ledger that belong to a part."""
    return table.filter(pc.equal(table["part"], part))
