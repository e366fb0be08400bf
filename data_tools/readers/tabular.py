"""Parquet and Arrow files, as `datasets` folders hold them: their rows as objects, a few at a time."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from data_tools.readers.opening import Source
from templates import InputError

if TYPE_CHECKING:
    from io import BufferedReader, RawIOBase

_ROWS = 64
# Columns of turns; old `datasets` store a list of objects as an object of lists.
_TURNS = ("conversations", "messages", "conversation")


def rows(source: Source, stream: "BufferedReader[RawIOBase]") -> Iterator[dict[str, object]]:
    """The rows of a file. Raises InputError where it is broken, or lies packed in another file."""
    if not stream.seekable() or source.member:
        raise InputError(f"{source.name}: a table within an archive cannot be read in parts; unpack it first")
    try:
        for batch in _batches(stream):
            batch.validate(full=True)  # Arrow trusts the lengths and offsets in a file otherwise
            for start in range(0, batch.num_rows, _ROWS):
                yield from map(_as_written, batch.slice(start, _ROWS).to_pylist())
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{source.name}: is broken ({reason}); check that the download is complete") from error


def _batches(stream: "BufferedReader[RawIOBase]") -> Iterator[pa.RecordBatch]:
    head = stream.peek(8)[:8]
    file = pa.PythonFile(stream, "r")
    if head.startswith(b"PAR1"):
        yield from pq.ParquetFile(file).iter_batches(_ROWS)
    elif head.startswith(b"ARROW1"):
        opened = pa.ipc.open_file(file)
        yield from (opened.get_batch(number) for number in range(opened.num_record_batches))
    else:
        yield from pa.ipc.open_stream(file)


def _as_written(row: dict[str, object]) -> dict[str, object]:
    """The row without its empty columns, which JSON would not have, and with its turns as a list of objects.

    >>> _as_written({"id": "a", "system": None, "conversations": {"from": ["human"], "value": ["Hi"]}})
    {'id': 'a', 'conversations': [{'from': 'human', 'value': 'Hi'}]}
    """
    made = {key: value for key, value in row.items() if value is not None}
    for key in _TURNS:
        columns = made.get(key)
        if isinstance(columns, dict) and columns and all(isinstance(values, list) for values in columns.values()):
            made[key] = [dict(zip(columns, values, strict=True)) for values in zip_longest(*columns.values())]
    return made
