"""Reading, cleaning and role repair of whole dumps, in one process or many with the same result."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from data_tools.pieces import JOINED, join_pieces
from data_tools.progress import Report
from data_tools.readers import parse, read_records
from data_tools.records import Branches, RawRecord, Record
from data_tools.rules.cleaner import DEFAULT_RULES, clean_record
from data_tools.rules.config import Rules
from data_tools.rules.roles import repair
from data_tools.sent import Sent, received, sent
from data_tools.workers import how_many, workers_for
from templates import Conversation

_BATCH = 256

T = TypeVar("T")
Batch = tuple[list[Record], Counter[str]]


def clean_dumps(
    paths: Sequence[Path],
    *,
    workers: int | None,
    report: Report,
    rules: Rules = DEFAULT_RULES,
    format: str | None = None,
    branches: Branches = "main",
) -> Iterator[Batch]:
    """Cleaned and repaired records in input order, a batch at a time, with how many turns each rule changed.

    `workers`: processes; None takes one for each core where the dumps are big. `format` and `branches`: see
    `read_records` and `parse`.
    """
    raws = read_dumps(paths, rules=rules, format=format, report=report)
    with workers_for((rules, branches), how_many(workers, paths)) as pool:
        yield from pool.map(_clean, batches_of(map(sent, raws)))


def read_dumps(paths: Sequence[Path], *, rules: Rules, format: str | None, report: Report) -> Iterator[RawRecord]:
    """The records of dumps, pieces of split conversations joined where the rules say so."""
    raws = (raw for path in paths for raw in read_records(path, format=format, report=report))
    return join_pieces(raws) if rules.split_pieces == "join" else raws


def batches_of(records: Iterator[T]) -> Iterator[list[T]]:
    """The records in the portions in which they are sent to processes."""
    return iter(lambda: list(islice(records, _BATCH)), [])


def _clean(how: tuple[Rules, Branches], batch: Sequence[Sent]) -> Batch:
    return clean_batch(received(batch), *how)


def read_conversations(path: Path, *, limit: int) -> list[Conversation]:
    """The first conversations with a reply of a dump or a conversations file, cleaned as for training.

    Raises InputError as `read_records` does.
    """
    batches = clean_dumps([path], workers=1, report=lambda _: None)
    usable = (record.conversation for batch, _ in batches for record in batch if record.messages)
    return list(islice(usable, limit))


def clean_batch(
    batch: Sequence[RawRecord], rules: Rules = DEFAULT_RULES, branches: Branches = "main", *, takes_tools: bool = False
) -> Batch:
    """Parse, clean and repair some records, for a template that has a place for tools or for one that has none."""
    counts: Counter[str] = Counter()
    records = [record for raw in batch for record in parse(raw, branches=branches)]
    for record in records:
        for name, turns in clean_record(record, rules).items():
            counts[name] += turns
        if joined := sum(turn.joined for turn in record.turns):
            counts[JOINED] += joined
        repair(record, leading_reply=rules.leading_reply, takes_tools=takes_tools)
    return records, counts
