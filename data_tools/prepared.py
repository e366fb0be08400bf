"""A directory that `chaku data prepare` wrote, opened for reading."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_tools.manifest import FILE_NAME
from templates import InputError

# Windows a batch: 256 of 2048 tokens are about 4 MB of ids and labels.
_BATCH = 256


@dataclass(frozen=True)
class Prepared:
    """What was prepared: its place and its manifest; windows, ledger and conversations are read when asked for."""

    folder: Path
    manifest: dict[str, Any]

    def ledger(self) -> pa.Table:
        """A row for each input turn (see `data_tools.ledger.SCHEMA`). Raises InputError where it is damaged."""
        path = self.folder / "ledger.parquet"
        with _whole(path):
            return pq.read_table(path)

    def windows(self, part: str) -> Iterator[pa.RecordBatch]:
        """The windows of a part, some at a time. Raises InputError where a shard is damaged."""
        for path in sorted((self.folder / part).glob("windows-*.parquet")):
            with _whole(path):
                yield from pq.ParquetFile(path).iter_batches(batch_size=_BATCH)

    def conversations(self, part: str) -> Iterator[dict[str, Any]]:
        """The cleaned conversations of a part, ``{"id", "messages", "source"}``. Raises InputError where damaged."""
        path = self.folder / "conversations" / f"{part}.jsonl"
        with _whole(path), path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def open_prepared(folder: Path) -> Prepared:
    """Open a prepared directory. Raises InputError where there is none, or where its manifest is damaged.

    >>> open_prepared(Path("data")).manifest["counts"]["windows"]
    352
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise InputError(f"{folder}: has no {FILE_NAME}; give a directory that `chaku data prepare` wrote")
    with _whole(path):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not {"counts", "parts", "rejected", "cleaning"} <= manifest.keys():
            raise ValueError
    return Prepared(folder, manifest)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Name the file that cannot be read as what it should be."""
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: missing or damaged; run `chaku data prepare` again") from error
