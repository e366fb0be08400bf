"""Some records on their way to a process of this machine, which reads their texts where they stand in the dump."""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import orjson

from data_tools.records import RawRecord
from templates import InputError


class _Standing(NamedTuple):
    """A record without its value: its text, of so many bytes, stands in a file."""

    path: Path
    at: int
    length: int
    file: str
    number: int
    format: str


class Sent:
    """Records of a dump. To another process goes where their texts stand, if they do in a file that is not packed."""

    def __init__(self, held: Sequence[RawRecord | _Standing]) -> None:
        self._held = held

    def __reduce__(self) -> tuple[Callable[..., "Sent"], tuple[object, ...]]:
        return Sent, ([_standing(one) if isinstance(one, RawRecord) else one for one in self._held],)

    def records(self) -> list[RawRecord]:
        """The records. Raises InputError where their file is no longer what it was."""
        return [record for path, group in groupby(self._held, key=_path_of) for record in _read(path, list(group))]


def _standing(record: RawRecord) -> RawRecord | _Standing:
    if record.place is None:
        return record
    return _Standing(*record.place, len(record.text), record.file, record.index, record.format)


def _path_of(one: RawRecord | _Standing) -> Path | None:
    return one.path if isinstance(one, _Standing) else None


def _read(path: Path | None, held: Sequence[RawRecord | _Standing]) -> Iterator[RawRecord]:
    if path is None:
        yield from (one for one in held if isinstance(one, RawRecord))
        return
    try:
        with path.open("rb") as file:
            for one in held:
                assert isinstance(one, _Standing)  # noqa: S101 a path is that of one that stands there
                value = orjson.loads(os.pread(file.fileno(), one.length, one.at))
                yield RawRecord(one.file, one.number, value, one.format)
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(f"{path}: was changed while it was read; run it again when nothing writes to it") from error
