"""Reading, cleaning and role repair of whole dumps, in one process or many with the same result."""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from data_tools.progress import Report
from data_tools.readers import input_files, parse, read_records
from data_tools.records import Branches, RawRecord, Record
from data_tools.rules.cleaner import DEFAULT_RULES, clean_record
from data_tools.rules.config import Rules
from data_tools.rules.roles import repair
from templates import Conversation

_BATCH = 128
# Below this size starting processes takes longer than they save.
_BIG = 32_000_000

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
    total = sum(file.stat().st_size for path in paths for file in input_files(path))
    if workers is None:
        workers = (os.cpu_count() or 1) if total >= _BIG else 1
    raws = (raw for path in paths for raw in read_records(path, format=format, report=report))
    batches = iter(lambda: list(islice(raws, _BATCH)), [])
    if workers == 1:
        yield from (clean_batch(batch, rules, branches) for batch in batches)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: deque[Future[Batch]] = deque()
        for batch in batches:
            running.append(pool.submit(clean_batch, batch, rules, branches))
            if len(running) > 2 * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def read_conversations(path: Path, *, limit: int) -> list[Conversation]:
    """The first conversations with a reply of a dump or a conversations file, cleaned as for training.

    Raises InputError as `read_records` does.
    """
    batches = clean_dumps([path], workers=1, report=lambda _: None)
    usable = (record.conversation for batch, _ in batches for record in batch if record.messages)
    return list(islice(usable, limit))


def clean_batch(batch: Sequence[RawRecord], rules: Rules = DEFAULT_RULES, branches: Branches = "main") -> Batch:
    """Parse, clean and repair some records."""
    counts: Counter[str] = Counter()
    records = [record for raw in batch for record in parse(raw, branches=branches)]
    for record in records:
        counts.update(clean_record(record, rules))
        repair(record, leading_reply=rules.leading_reply)
    return records, counts
