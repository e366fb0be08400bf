"""Windows on disk: Parquet shards that `datasets` opens, and the conversations that they were made from."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from data_tools.documents import StoredDocuments
from data_tools.plain import json_line
from templates import Conversation, as_messages

# Windows a shard: 4096 of 2048 tokens are about 70 MB of ids and labels in memory.
_SHARD = 4096
SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
        ("document_lengths", pa.list_(pa.int32())),
        ("sources", pa.list_(pa.string())),
    ]
)


def write_windows(
    folder: Path, windows: Sequence[Sequence[int]], *, documents: StoredDocuments, names: Sequence[str]
) -> None:
    """Write `windows-00000.parquet` and so on; no window, no file.

    `windows` are indices into `documents`; `names` are the ids of the conversations. A row is one window:
    `input_ids`; `labels`, which equal the ids where a token is supervised and are -100 elsewhere (the trainer shifts
    them); `document_lengths`, whose sum is the row's length; `sources`, the conversation of each document.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def write(number: int) -> None:
        rows = windows[number * _SHARD : (number + 1) * _SHARD]
        # Zstandard level 1 writes as fast as no compression and halves the file; dictionaries of ids only cost.
        pq.write_table(
            _table(rows, documents, names),
            folder / f"windows-{number:05}.parquet",
            compression="zstd",
            compression_level=1,
            row_group_size=256,
            use_dictionary=False,
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(-(-len(windows) // _SHARD))))


def conversation_line(conversation: Conversation) -> bytes:
    """A conversation as a line of JSON Lines: ``{"id", "messages": [{"role", "content"}], "source"}``.

    A message that says whether it is taught has a `train` flag as well, a call of tools OpenAI's `tool_calls`, and a
    conversation that offers tools their definitions as `tools`.
    """
    messages = [
        message.plain() if message.train is None else message.plain() | {"train": message.train}
        for message in conversation.messages
    ]
    line: dict[str, object] = {"id": conversation.id, "messages": messages, "source": conversation.source}
    if conversation.tools:
        line["tools"] = list(conversation.tools)
    # orjson writes other numbers than those in definitions and calls of tools may be, and no halves of surrogate pairs
    if not conversation.uses_tools:
        with suppress(TypeError):
            return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    return json_line(line).encode()


def conversation_of_line(line: bytes) -> Conversation:
    """The conversation of such a line."""
    value = _value_of(line)
    return Conversation(
        id=value["id"],
        messages=tuple(as_messages(value["messages"])),
        source=value["source"],
        tools=tuple(value.get("tools", ())),
    )


def _value_of(line: bytes) -> dict[str, Any]:
    """What a line says; orjson reads other numbers than those of tools may be, and no halves of surrogate pairs."""
    if b'"tool' not in line:
        with suppress(orjson.JSONDecodeError):
            return cast("dict[str, Any]", orjson.loads(line))
    return cast("dict[str, Any]", json.loads(line))


def _table(windows: Sequence[Sequence[int]], documents: StoredDocuments, names: Sequence[str]) -> pa.Table:
    flat = [number for window in windows for number in window]
    rows = documents.rows[flat]
    lengths = rows["length"]
    ends = np.cumsum([0, *lengths], dtype=np.int64)
    ids = np.empty(ends[-1], dtype=np.int32)
    labels = np.empty(ends[-1], dtype=np.int32)
    for (tokens, mask), start, end in zip(documents.tokens(flat), ends[:-1], ends[1:], strict=True):
        ids[start:end] = tokens
        labels[start:end] = np.where(mask, tokens, np.int32(-100))
    first_documents = np.cumsum([0, *map(len, windows)], dtype=np.int64).astype(np.int32)
    first_tokens = ends.astype(np.int32)[first_documents]
    sources = pa.array([names[number] for number in rows["conversation"].tolist()], pa.string())
    columns = [
        _lists(first_tokens, pa.array(ids)),
        _lists(first_tokens, pa.array(labels)),
        _lists(first_documents, pa.array(lengths, pa.int32())),
        _lists(first_documents, sources),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _lists(first: npt.NDArray[np.int32], values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(first), values)
