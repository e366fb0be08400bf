"""Seed tasks: what people wrote, from which a model makes more.

Read as they are: our own files, the 175 of Self-Instruct and Alpaca, BELLE's (JSON Lines with `instances`), and
Alpaca's records and Evol-Instruct's seeds (`instruction`, `input`, `output`; a JSON array or JSON Lines).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from templates import InputError


@dataclass(frozen=True, slots=True)
class Seed:
    """A task with an instance of it; `is_classification` is None where the file does not say."""

    id: str
    instruction: str
    input: str
    output: str
    is_classification: bool | None = None
    family: str = ""

    @property
    def question(self) -> str:
        """The instruction and its input as one text, as a user would send it."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


def load_seeds(path: Path | None, *, language: str) -> list[Seed]:
    """The seeds of a file, or ours in a language.

    Raises InputError where a record has no instruction, or the file has none.
    """
    if path is None:
        ours = files("data_tools.synthesize").joinpath("seeds", f"{language}.jsonl")
        return [
            _seed(value, number, f"seeds/{language}.jsonl") for number, value in _lines(ours.read_text("utf-8"), "")
        ]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--seeds {path}: cannot be read ({error}); give a JSON or JSON Lines file") from error
    seeds = [_seed(value, number, str(path)) for number, value in _values(text, str(path))]
    if not seeds:
        raise InputError(f"--seeds {path}: holds no tasks")
    return seeds


def digest_of(seeds: Sequence[Seed]) -> str:
    """What tells two sets of seeds apart."""
    fields = [(seed.id, seed.instruction, seed.input, seed.output, seed.is_classification) for seed in seeds]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()


def _values(text: str, shown: str) -> Iterator[tuple[int, Any]]:
    if not text.lstrip().startswith("["):
        yield from _lines(text, shown)
        return
    try:
        yield from enumerate(json.loads(text), 1)
    except ValueError as error:
        raise InputError(f"--seeds {shown}: not JSON ({error})") from error


def _lines(text: str, shown: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise InputError(f"--seeds {shown}: line {number} is not JSON ({error})") from error


def _seed(value: Any, number: int, shown: str) -> Seed:  # noqa: ANN401 any JSON value
    record = value if isinstance(value, dict) else {}
    instances = record.get("instances")
    first = instances[0] if isinstance(instances, list) and instances and isinstance(instances[0], dict) else record
    values = (record.get("instruction"), first.get("input") or "", first.get("output") or "")
    instruction, given, output = (value.strip() if isinstance(value, str) else None for value in values)
    if not instruction or given is None or output is None:
        raise InputError(f"--seeds {shown}: record {number} is no task: it needs `instruction`, and texts")
    kind = record.get("is_classification")
    return Seed(
        id=str(record.get("id") or f"seed_{number}"),
        instruction=instruction,
        input="" if given.lower() == "<noinput>" else given,
        output=output,
        is_classification=kind if isinstance(kind, bool) else None,
        family=str(record.get("family") or ""),
    )
