"""Windows on disk: Parquet shards that `datasets` opens, and the conversations that they were made from."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_tools.windows import Document
from templates import Conversation

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
    folder: Path, windows: Sequence[Sequence[int]], *, documents: Sequence[Document], sources: Sequence[str]
) -> None:
    """Write `windows-00000.parquet` and so on; no window, no file.

    `windows` are indices into `documents`; `sources` are the ids of the conversations. A row is one window:
    `input_ids`; `labels`, which equal the ids where a token is supervised and are -100 elsewhere (the trainer shifts
    them); `document_lengths`, whose sum is the row's length; `sources`, the conversation of each document.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, first in enumerate(range(0, len(windows), _SHARD)):
        rows = windows[first : first + _SHARD]
        table = _table([[documents[index] for index in row] for row in rows], sources)
        # Zstandard level 1 writes as fast as no compression and halves the file.
        pq.write_table(
            table, folder / f"windows-{number:05}.parquet", compression="zstd", compression_level=1, row_group_size=256
        )


def write_conversations(path: Path, conversations: Sequence[Conversation]) -> None:
    """Write conversations as JSON Lines: ``{"id", "messages": [{"role", "content"}], "source"}``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for conversation in conversations:
            messages = [{"role": message.role, "content": message.content} for message in conversation.messages]
            line = {"id": conversation.id, "messages": messages, "source": conversation.source}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _table(rows: Sequence[Sequence[Document]], sources: Sequence[str]) -> pa.Table:
    flat = [document for row in rows for document in row]
    lengths = np.array([len(document.ids) for document in flat], dtype=np.int32)
    ids = np.concatenate([np.empty(0, np.int32), *(document.ids for document in flat)], dtype=np.int32)
    mask = np.concatenate([np.empty(0, np.bool_), *(document.mask for document in flat)])
    labels = np.where(mask, ids, np.int32(-100))
    row_documents = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int32))).astype(np.int32)
    row_tokens = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)[row_documents]
    names = pa.array([sources[document.conversation] for document in flat], pa.string())
    columns = [
        pa.ListArray.from_arrays(pa.array(row_tokens), pa.array(ids)),
        pa.ListArray.from_arrays(pa.array(row_tokens), pa.array(labels)),
        pa.ListArray.from_arrays(pa.array(row_documents), pa.array(lengths)),
        pa.ListArray.from_arrays(pa.array(row_documents), names),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
