"""Packed windows from `chaku data prepare`, in an order that a seed fixes, as the model's inputs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from templates.errors import InputError

NO_LOSS = -100
COLUMNS = ["input_ids", "labels", "document_lengths", "sources"]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MicroBatch:
    """One or more windows in a row, as the model takes them; T tokens, D documents, S supervised tokens.

    Documents of 3 and 2 tokens whose labels are ``[-100, -100, 7, -100, 9]`` give `position_ids` ``[[0, 1, 2, 0, 1]]``,
    `cumulative_lengths` ``[0, 3, 5]``, and, since the state at a position predicts the next token, `positions`
    ``[1, 3]`` with `targets` ``[7, 9]``. A label at a document's first token has nothing before it and is no target.
    """

    input_ids: Tensor  # [1, T]
    position_ids: Tensor  # [1, T]
    cumulative_lengths: Tensor  # [D + 1], int32
    longest: int
    positions: Tensor  # [S]
    targets: Tensor  # [S]
    sources: list[str]

    def to(self, device: torch.device) -> "MicroBatch":
        """The same on a device."""
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return MicroBatch(**{**vars(self), **tensors})


def micro_batch(
    input_ids: npt.ArrayLike, labels: npt.ArrayLike, document_lengths: npt.ArrayLike, sources: list[str]
) -> MicroBatch:
    """Windows in a row, made into the model's inputs; see `MicroBatch` for an example."""
    lengths = np.asarray(document_lengths, dtype=np.int64)
    ends = np.cumsum(lengths)
    next_labels = np.append(np.asarray(labels, dtype=np.int64)[1:], NO_LOSS)
    next_labels[ends - 1] = NO_LOSS  # the token after a document's last belongs to another document
    positions = np.flatnonzero(next_labels != NO_LOSS)
    return MicroBatch(
        input_ids=torch.tensor(np.asarray(input_ids, dtype=np.int64)).unsqueeze(0),
        position_ids=torch.from_numpy(np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)).unsqueeze(0),
        cumulative_lengths=torch.from_numpy(np.append(0, ends).astype(np.int32)),
        longest=int(lengths.max()),
        positions=torch.from_numpy(positions),
        targets=torch.from_numpy(next_labels[positions]),
        sources=sources,
    )


class Windows:
    """The windows of one part (train or held_out), in memory: 8 bytes a token, about 1 GB for all of ShareGPT."""

    def __init__(self, directory: Path) -> None:
        files = sorted(directory.glob("windows-*.parquet"))
        table = pa.concat_tables([_read(file) for file in files]) if files else None
        self._count = table.num_rows if table is not None else 0
        if table is not None:
            self._columns = {name: _Lists(table[name]) for name in COLUMNS[:3]}
            self._sources = table["sources"]
            _check(directory, self._columns)

    def __len__(self) -> int:
        return self._count

    def take(self, rows: Sequence[int]) -> MicroBatch:
        """These windows, in a row."""
        parts = {name: np.concatenate([column[row] for row in rows]) for name, column in self._columns.items()}
        return micro_batch(**parts, sources=[source for row in rows for source in self._sources[row].as_py()])

    def longest_document(self) -> int:
        """The length of the longest document, in tokens."""
        return int(self._columns["document_lengths"].values.max())

    def largest_id(self) -> int:
        """The largest token id in the windows."""
        return int(self._columns["input_ids"].values.max())


class _Lists:
    """A column of lists as one flat array and the offsets of its rows."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.values = np.concatenate([chunk.flatten().to_numpy() for chunk in column.chunks])
        self.offsets: Ints = np.append(0, np.cumsum(pc.list_value_length(column).to_numpy().astype(np.int64)))

    def __getitem__(self, row: int) -> npt.NDArray[np.int32]:
        part: npt.NDArray[np.int32] = self.values[self.offsets[row] : self.offsets[row + 1]]
        return part


def _read(file: Path) -> pa.Table:
    try:
        return pq.read_table(file, columns=COLUMNS)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not a shard of windows ({error}); run `chaku data prepare` again") from error


def _check(directory: Path, columns: dict[str, _Lists]) -> None:
    """Refuse rows whose columns disagree: a shifted label would train the wrong token in silence."""
    ids, documents = columns["input_ids"], columns["document_lengths"]
    sums = np.append(0, np.cumsum(documents.values, dtype=np.int64))[documents.offsets]
    if not (np.array_equal(ids.offsets, columns["labels"].offsets) and np.array_equal(ids.offsets, sums)):
        raise InputError(
            f"{directory}: a window's labels or document lengths do not fit its ids; run `chaku data prepare` again"
        )


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of prepared data. Raises InputError where there is none, or where it is not whole."""
    path = directory / "manifest.json"
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give --data.path a directory that `chaku data prepare` wrote")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); run `chaku data prepare` again") from error
    missing = {"fingerprint", "template", "window"} - manifest.keys()
    if missing:
        raise InputError(f"{path}: has no {', '.join(sorted(missing))}; run `chaku data prepare` again")
    return manifest


@dataclass(frozen=True)
class Order:
    """Which windows each step takes. Any step's windows follow from the seed alone, so a resumed run replays nothing.

    The windows of all epochs stand in one endless row, each epoch shuffled by itself; step k takes those from
    `k * windows_per_step` on, dealt to the ranks micro-batch by micro-batch.
    """

    windows: int
    seed: int
    windows_per_step: int
    windows_per_micro_batch: int

    def step(self, step: int, *, rank: int, world_size: int) -> list[list[int]]:
        """The micro-batches of one rank in a step (counted from 0), each a list of windows."""
        size = self.windows_per_micro_batch
        first = step * self.windows_per_step + rank * size
        stop = (step + 1) * self.windows_per_step
        return [
            [self._window(position) for position in range(start, start + size)]
            for start in range(first, stop, world_size * size)
        ]

    def _window(self, position: int) -> int:
        epoch, place = divmod(position, self.windows)
        return int(_shuffled(self.windows, self.seed, epoch)[place])


@lru_cache(maxsize=2)
def _shuffled(windows: int, seed: int, epoch: int) -> Ints:
    return np.random.default_rng([seed, epoch]).permutation(windows)
