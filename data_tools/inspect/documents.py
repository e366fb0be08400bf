"""The documents of some conversations, from the windows: each token as the trainer reads it."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from data_tools.manifest import PARTS
from data_tools.prepared import Prepared
from templates.encoder import Encoder
from templates.preview import Span, spans_of
from templates.visible import visible

IGNORED = -100
# A character has at most four bytes, so it is shared by at most four tokens.
MOST_TOKENS = 4


@dataclass(slots=True)
class SpanTable:
    """Each different span once, as ``[text, is_control, id, ...]``; documents name spans by their place in it."""

    rows: list[list[object]] = field(default_factory=list)
    _places: dict[tuple[tuple[int, ...], str, bool], int] = field(default_factory=dict)
    _alone: dict[int, int] = field(default_factory=dict)  # tokens that are whole characters; -1 for others

    def places(self, encoder: Encoder, ids: Sequence[int], supervised: Sequence[bool]) -> list[tuple[int, bool]]:
        """The places of the spans of these tokens, each with whether it is supervised."""
        self._learn(encoder, set(ids))
        found: list[tuple[int, bool]] = []
        at = 0
        while at < len(ids):
            place, length = self._alone[ids[at]], 1
            if place < 0:  # it shares a character with those after it
                end = at + MOST_TOKENS
                span, *_ = spans_of(encoder, ids[at:end], supervised[at:end])
                place, length = self.place(span), len(span.ids)
            found.append((place, supervised[at]))
            at += length
        return found

    def _learn(self, encoder: Encoder, ids: set[int]) -> None:
        new = sorted(ids - self._alone.keys())
        for token_id, spelled in zip(new, encoder.token_bytes(new), strict=True):
            [span] = spans_of(encoder, [token_id], [False])
            self._alone[token_id] = self.place(span) if span.is_control or _is_whole(spelled) else -1

    def place(self, span: Span) -> int:
        """The place of a span, which is entered if it is new."""
        key = (span.ids, span.text, span.is_control)
        if key not in self._places:
            self._places[key] = len(self.rows)
            self.rows.append([visible(span.text), int(span.is_control), *span.ids])
        return self._places[key]


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a conversation: its token ids, and their labels (-100 where no loss)."""

    part: str
    ids: list[int]
    labels: list[int]

    def reply(self, encoder: Encoder) -> str:
        """The text of its first supervised tokens, up to their stop token: where it stands in its conversation."""
        controls = set(encoder.control_ids)
        runs = groupby(self.labels, key=lambda label: label != IGNORED and label not in controls)
        first = next((list(run) for supervised, run in runs if supervised), [])
        return encoder.decode(first)

    def for_page(self, encoder: Encoder, table: SpanTable) -> dict[str, object]:
        """Places of spans in the table, and the lengths of runs of spans: context, supervised, context, and so on."""
        supervised = [label != IGNORED for label in self.labels]
        spans = table.places(encoder, self.ids, supervised)
        runs: list[int] = []
        for taught, run in groupby(supervised_ for _, supervised_ in spans):
            # an even place in the list stands for context
            runs += [0] * (len(runs) % 2 != taught) + [sum(1 for _ in run)]
        return {
            "part": self.part,
            "tokens": len(self.ids),
            "supervised": sum(supervised),
            "spans": [place for place, _ in spans],
            "runs": runs,
        }


def documents_of(prepared: Prepared, wanted: Collection[str]) -> dict[str, list[Document]]:
    """The documents of the conversations with these ids, in the order of the windows. One pass, flat in memory."""
    found: dict[str, list[Document]] = defaultdict(list)
    for part in PARTS:
        for batch in prepared.windows(part):
            for row in batch.to_pylist():
                for source, ids, labels in _cut(row):
                    if source in wanted:
                        found[source].append(Document(part, ids, labels))
    return found


def _cut(row: dict[str, Any]) -> Iterator[tuple[str, list[int], list[int]]]:
    """The documents of one window: their conversation's id, token ids and labels."""
    ends = np.cumsum(row["document_lengths"]).tolist()
    for source, start, end in zip(row["sources"], [0, *ends], ends, strict=False):
        yield source, row["input_ids"][start:end], row["labels"][start:end]


def in_order(documents: Sequence[Document], texts: Sequence[str], encoder: Encoder) -> list[Document]:
    """Those documents whose reply is in the texts of a conversation, in the order in which it stands there.

    Packing shuffles documents, and two conversations may share an id: the text decides.
    """
    whole = "\0".join(texts)
    placed = [(whole.find(document.reply(encoder).strip()), document) for document in documents]
    return [document for at, document in sorted(placed, key=lambda one: one[0]) if at >= 0]


def _is_whole(spelled: bytes) -> bool:
    try:
        spelled.decode()
    except UnicodeDecodeError:
        return False
    return True
