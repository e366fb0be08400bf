"""Texts before and after cleaning: the dumps are read again where they are still the files that were prepared."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_tools.progress import Report
from data_tools.readers import parse, read_records
from data_tools.records import Record
from data_tools.rules.cleaner import clean_record, clean_text
from data_tools.rules.roles import repair

Place = tuple[str, int, str]  # a record's file, its index in it, and the id of the conversation made of it


@dataclass(frozen=True, slots=True)
class Texts:
    """A turn's text as it came, after cleaning, and the names of the rules that changed it."""

    before: str
    after: str
    changed_by: list[str]


@dataclass(slots=True)
class Reread:
    """The turns of the records that were read again, by their index, and their messages; what is amiss."""

    turns: dict[Place, dict[int, Texts]] = field(default_factory=dict)
    messages: dict[Place, list[tuple[str, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def reread(inputs: Collection[Mapping[str, Any]], wanted: Collection[Place], *, report: Report) -> Reread:
    """Read the wanted records of the manifest's inputs again, and clean them by today's rules.

    An input that is gone, or whose sha256 is another, is left alone; a note says so.
    """
    done, records = Reread(), {(file, index) for file, index, _ in wanted}
    for described in inputs:
        path = Path(described["file"])
        if problem := _problem(path, described["sha256"]):
            done.notes.append(f"{path}: {problem}, so its texts before cleaning cannot be shown")
            continue
        for raw in read_records(path, report=report):
            if (raw.file, raw.index) in records:
                for record in parse(raw):
                    _enter(record, done)
    return done


def _problem(path: Path, sha256: str) -> str:
    """Why the dump cannot stand for what was prepared, or nothing."""
    if not path.is_file():
        return "is not there any more"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if digest == sha256 else "has changed since it was prepared"


def _enter(record: Record, done: Reread) -> None:
    place = (record.file, record.index, record.id)
    befores = [turn.text for turn in record.turns]
    changed = [clean_text(turn.text, turn.role)[1] if turn.role and not turn.rule else () for turn in record.turns]
    clean_record(record)
    done.turns[place] = {
        turn.index: Texts(before, turn.text, sorted(rules))
        for turn, before, rules in zip(record.turns, befores, changed, strict=True)
    }
    repair(record)
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
