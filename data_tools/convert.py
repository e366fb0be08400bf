"""`chaku data convert`: dumps, cleaned and with their roles repaired, in another convention."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from data_tools.atomic import whole_file
from data_tools.cleaning import clean_dumps
from data_tools.progress import progress
from data_tools.records import Record
from templates import InputError

_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}


def as_messages(record: Record) -> dict[str, object]:
    """The OpenAI convention: ``{"id", "messages": [{"role", "content"}], "source"}``."""
    messages = [{"role": message.role, "content": message.content} for message in record.messages]
    return {"id": record.id, "messages": messages, "source": record.source}


def as_sharegpt(record: Record) -> dict[str, object]:
    """The ShareGPT convention: ``{"id", "conversations": [{"from", "value"}]}``."""
    turns = [{"from": _SHAREGPT_ROLES[message.role], "value": message.content} for message in record.messages]
    return {"id": record.id, "conversations": turns}


CONVENTIONS: dict[str, Callable[[Record], dict[str, object]]] = {"messages": as_messages, "sharegpt": as_sharegpt}


def convert(inputs: Sequence[Path], *, to: str, out: Path, workers: int | None = None) -> tuple[int, Counter[str]]:
    """Write all conversations of the dumps to `out` as JSON Lines, one at a time, so that memory stays flat.

    Returns how many were written, and the turns that were rejected by rule. Raises InputError for bad input, and
    where no conversation has a reply.
    """
    shape, written = CONVENTIONS[to], 0
    rejected: Counter[str] = Counter()
    total = sum(path.stat().st_size for path in inputs if path.is_file())
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        with progress("convert", total=total) as report:
            for batch, _ in clean_dumps(inputs, workers=workers, report=report):
                written += _write(batch, shape, file)
                rejected.update(turn.rule for record in batch for turn in record.turns if turn.rule)
        if not written:
            raise InputError(f"{inputs[0]}: not one conversation has a question with a reply; check its turns")
    del rejected["merged"]
    return written, rejected


def _write(records: Sequence[Record], shape: Callable[[Record], dict[str, object]], file: TextIO) -> int:
    usable = [record for record in records if record.messages]
    file.writelines(json.dumps(shape(record), ensure_ascii=False) + "\n" for record in usable)
    return len(usable)
