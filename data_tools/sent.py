"""Records on their way to a process of this machine, which reads their texts once more where they stand in the dump."""

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import orjson

from data_tools.records import RawRecord
from templates import InputError


class Standing(NamedTuple):
    """A record without its value: its text, of so many bytes, stands in a file."""

    path: Path
    at: int
    length: int
    file: str
    number: int
    format: str


Sent = RawRecord | Standing


def sent(record: RawRecord) -> Sent:
    """Where the record's text stands, if it does in a file that is not packed; else the record itself."""
    if record.place is None:
        return record
    return Standing(*record.place, len(record.text), record.file, record.index, record.format)


def received(held: Sequence[Sent]) -> list[RawRecord]:
    """The records that were sent. Raises InputError where their file is no longer what it was."""
    return [record for path, group in groupby(held, key=_path_of) for record in _read(path, list(group))]


def _path_of(one: Sent) -> Path | None:
    return one.path if isinstance(one, Standing) else None


def _read(path: Path | None, held: Sequence[Sent]) -> Iterator[RawRecord]:
    if path is None:
        yield from (one for one in held if isinstance(one, RawRecord))
        return
    try:
        with path.open("rb") as file:
            for one in held:
                assert isinstance(one, Standing)  # noqa: S101 a path is that of one that stands there
                value = orjson.loads(os.pread(file.fileno(), one.length, one.at))
                yield RawRecord(one.file, one.number, value, one.format)
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(f"{path}: was changed while it was read; run it again when nothing writes to it") from error
