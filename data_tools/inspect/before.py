"""Texts before and after cleaning: the dumps are read again where they are still the files that were prepared."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_tools.cleaning import read_dumps
from data_tools.limits import keep_pairs
from data_tools.manifest import FILE_NAME
from data_tools.progress import Report
from data_tools.readers import parse
from data_tools.records import Branches, RawRecord, Record
from data_tools.rules.cleaner import DEFAULT_RULES, clean_record, clean_text
from data_tools.rules.config import Rules, rules_of
from data_tools.rules.roles import repair
from templates import InputError

Place = tuple[str, int, str]  # a record's file, its index in it, and the id of the conversation made of it


@dataclass(frozen=True, slots=True)
class Texts:
    """A turn's text as it came, after cleaning, and the names of the rules that changed it."""

    before: str
    after: str
    changed_by: list[str]


@dataclass(frozen=True, slots=True)
class Way:
    """How the dumps were read and cleaned, as the manifest says."""

    rules: Rules = DEFAULT_RULES
    format: str | None = None
    branches: Branches = "main"
    max_pairs: int = 0
    takes_tools: bool = False


@dataclass(slots=True)
class Reread:
    """The turns of the records that were read again, by their index, and their messages; what is amiss."""

    turns: dict[Place, dict[int, Texts]] = field(default_factory=dict)
    messages: dict[Place, list[tuple[str, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def way_of(manifest: Mapping[str, Any]) -> tuple[Way, list[str]]:
    """How a manifest says that its dumps were read; a note where a block list of its rules cannot be read any more."""
    rules, notes = manifest["rules"], []
    try:
        found = rules_of(rules, Path(FILE_NAME))
    except InputError as error:
        notes.append(f"{error}; texts are shown as the other rules clean them")
        found = rules_of(rules | {"reject": rules["reject"] | {"blocked_phrase": {}}}, Path(FILE_NAME))
    options = manifest["options"]
    return Way(found, options["format"], options["branches"], options["max_pairs"]), notes


def reread(
    inputs: Collection[Mapping[str, Any]], wanted: Collection[Place], way: Way | None = None, *, report: Report
) -> Reread:
    """Read the wanted records of the manifest's inputs again, and clean them by the same rules, as they are today.

    An input that is gone, or whose sha256 is another, is left alone; a note says so.
    """
    done, records, way = Reread(), {(file, index) for file, index, _ in wanted}, way or Way()
    for described in inputs:
        path = Path(described["file"])
        if not any(file == str(path) or file.startswith(f"{path}/") for file, _ in records):
            continue  # nothing of it is shown, and of a folder it may be no dump
        if problem := _problem(path, described["sha256"]):
            done.notes.append(f"{path}: {problem}, so its texts before cleaning cannot be shown")
            continue
        for raw in _raws(path, way, report):
            if (raw.file, raw.index) in records:
                for record in parse(raw, branches=way.branches):
                    _enter(record, done, way)
    return done


def _raws(path: Path, way: Way, report: Report) -> Iterator[RawRecord]:
    """The records of a file; none where it is one of a folder's files that are no dumps, as the ledger says."""
    try:
        yield from read_dumps([path], rules=way.rules, format=way.format, report=report)
    except InputError:
        return


def _problem(path: Path, sha256: str) -> str:
    """Why the dump cannot stand for what was prepared, or nothing."""
    if not path.is_file():
        return "is not there any more"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if digest == sha256 else "has changed since it was prepared"


def _enter(record: Record, done: Reread, way: Way) -> None:
    place = (record.file, record.index, record.id)
    befores = [turn.text for turn in record.turns]
    changed = [
        clean_text(turn.text, turn.role, way.rules)[1] if turn.role and not turn.rule else () for turn in record.turns
    ]
    clean_record(record, way.rules)
    done.turns[place] = {
        turn.index: Texts(before, turn.text, sorted(rules))
        for turn, before, rules in zip(record.turns, befores, changed, strict=True)
    }
    repair(record, leading_reply=way.rules.leading_reply, takes_tools=way.takes_tools)
    if way.max_pairs:
        keep_pairs(record, way.max_pairs)
    done.messages[place] = [(message.role, message.content) for message in record.messages]


def versions_note(cleaning: Mapping[str, Mapping[str, Any]], now: Mapping[str, int]) -> str:
    """What to say where the cleaning rules have other versions than the manifest's, or nothing.

    >>> versions_note({"html_reply": {"version": 1}}, {"html_reply": 2})
    'the cleaning rules have changed since (html_reply 1 -> 2): texts after cleaning may differ from the windows'
    """
    then = {rule: described["version"] for rule, described in cleaning.items()}
    moved = [rule for rule in sorted({*then, *now}) if then.get(rule) != now.get(rule)]
    if not moved:
        return ""
    named = ", ".join(f"{rule} {then.get(rule, 'none')} -> {now.get(rule, 'none')}" for rule in moved)
    return f"the cleaning rules have changed since ({named}): texts after cleaning may differ from the windows"
