"""A prepared directory in numbers: how long, how full, how much of it supervised."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data_tools.manifest import PARTS
from data_tools.prepared import Prepared
from data_tools.sample import choose
from templates.conversation import as_messages

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]

_FILL_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
# Conversations whose language is looked up (0.6 ms each), and the languages that have a bar of their own.
_MOST_READ, _MOST_LANGUAGES = 1000, 11
_SHARE_EDGES = tuple(tenth / 10 for tenth in range(11))


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values of each size occur: `bars` are labels with counts of `unit`, `note` the middle and the extreme.

    >>> of_sizes("turns", "conversations", [2, 2, 4, 6]).bars
    [('2', 2), ('3-4', 1), ('5-8', 1)]
    """

    title: str
    unit: str
    bars: list[tuple[str, int]]
    note: str


def of_sizes(title: str, unit: str, values: Sequence[int] | Numbers) -> Histogram:
    """A histogram with bars that double in width, since lengths of conversations spread over four orders."""
    sizes = np.asarray(values, dtype=np.int64)
    if not len(sizes):
        return Histogram(title, unit, [], "none")
    # frexp's exponent is the bit length: bar k holds 2^(k-1) + 1 to 2^k
    exponents = np.frexp(np.maximum(sizes - 1, 0))[1]
    counts = np.bincount(exponents[sizes > 0])
    zeros = int((sizes == 0).sum())
    bars = [("0", zeros)] if zeros else []
    first = int(np.argmax(counts > 0)) if len(counts) else 0
    bars += [(_sizes_label(k), int(counts[k])) for k in range(first, len(counts))]
    return Histogram(title, unit, bars, f"median {_number(float(np.median(sizes)))}, longest {sizes.max():,}")


def of_shares(title: str, unit: str, values: Sequence[float] | Numbers, edges: Sequence[float]) -> Histogram:
    """A histogram of shares from 0 to 1 between given edges.

    >>> of_shares("fill", "windows", [0.4, 1.0], (0.0, 0.5, 1.0)).bars
    [('0-50%', 1), ('50-100%', 1)]
    """
    shares = np.asarray(values, dtype=np.float64)
    if not len(shares):
        return Histogram(title, unit, [], "none")
    counts = np.histogram(shares, edges)[0].tolist()
    labels = [f"{low * 100:.0f}-{high * 100:.0f}%" for low, high in pairwise(edges)]
    return Histogram(title, unit, list(zip(labels, counts, strict=True)), f"median {np.median(shares):.1%}")


def _sizes_label(exponent: int) -> str:
    low, high = (1 << exponent >> 1) + 1, 1 << exponent
    return f"{low:,}-{high:,}" if low < high else f"{high:,}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def of_languages(prepared: Prepared) -> Histogram:
    """The main language of each kept conversation, or of a thousand chosen by chance, most frequent first."""
    from data_tools.filters.language import language_of  # its model takes half a second to load

    lines = (line["messages"] for part in PARTS for line in prepared.conversations(part))
    chosen, total = choose(lines, n=_MOST_READ, seed=0)
    counts = Counter(language_of(as_messages(messages)) for messages in chosen)
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    others = sum(count for _, count in most[_MOST_LANGUAGES:])
    bars = most[:_MOST_LANGUAGES] + ([("others", others)] if others else [])
    note = f"{len(chosen):,} of {total:,}, chosen by chance" if total > len(chosen) else f"{len(counts)} of them"
    return Histogram("languages", "conversations", bars, note)


def histograms(prepared: Prepared) -> list[Histogram]:
    """Turns, supervised tokens and languages of what is kept, lengths of replies and documents, and the windows."""
    ledger = prepared.ledger()
    kept = ledger.filter(pc.not_equal(ledger["fate"], "rejected"))
    groups = kept.group_by(["file", "record", "conversation"])
    each = groups.aggregate([("turn", "count"), ("supervised_tokens", "sum")])
    replies = pc.drop_null(pc.if_else(pc.greater(kept["supervised_tokens"], 0), kept["supervised_tokens"], None))
    windows = measure_windows(batch for part in PARTS for batch in prepared.windows(part))
    fill = windows.tokens / prepared.manifest["window"]
    share = windows.supervised / np.maximum(windows.tokens, 1)
    return [
        of_sizes("turns a conversation", "conversations", each["turn_count"].to_numpy()),
        of_sizes("supervised tokens a conversation", "conversations", each["supervised_tokens_sum"].to_numpy()),
        of_sizes("tokens a reply", "replies", replies.to_numpy()),
        of_sizes("tokens a document", "documents", windows.documents),
        of_shares("window fill", "windows", fill, _FILL_EDGES),
        of_shares("share supervised of a window", "windows", share, _SHARE_EDGES),
        of_languages(prepared),
    ]


@dataclass(slots=True)
class WindowSizes:
    """Tokens and supervised tokens of each window, and the tokens of each document in them."""

    tokens: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    supervised: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    documents: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


def measure_windows(batches: Iterable[pa.RecordBatch]) -> WindowSizes:
    """Measure windows batch by batch, so that memory holds three numbers a window and not its tokens."""
    sizes = WindowSizes()
    for batch in batches:
        labels = batch.column("labels")
        lengths = labels.value_lengths().to_numpy()
        sums = np.concatenate(([0], np.cumsum(labels.flatten().to_numpy() != -100)))
        ends = np.cumsum(lengths)
        sizes.tokens = np.concatenate((sizes.tokens, lengths))
        sizes.supervised = np.concatenate((sizes.supervised, sums[ends] - sums[ends - lengths]))
        sizes.documents = np.concatenate((sizes.documents, batch.column("document_lengths").flatten().to_numpy()))
    return sizes
