"""`chaku data clean`: dumps as a conversations file, cleaned and with their roles repaired."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_tools.atomic import whole_file
from data_tools.cleaning import clean_dumps
from data_tools.plain import json_line, size_of
from data_tools.progress import progress
from data_tools.records import Record
from data_tools.rules.cleaner import DEFAULT_RULES
from data_tools.rules.config import Rules
from templates import InputError


@dataclass(slots=True)
class Cleaned:
    """How many conversations were written, of how many; the turns that each rule changed, and that each rejected."""

    conversations: int = 0
    written: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


def clean(inputs: Sequence[Path], *, out: Path, workers: int | None = None, rules: Rules = DEFAULT_RULES) -> Cleaned:
    """Write what training would read of the dumps as JSON Lines, one conversation at a time: memory stays flat.

    Raises InputError for bad input, and where no conversation has a reply.
    """
    done = Cleaned()
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        with progress("clean", total=size_of(inputs)) as report:
            for batch, changed in clean_dumps(inputs, workers=workers, report=report, rules=rules):
                usable = [record for record in batch if record.messages]
                file.writelines(json_line(_line(record)) for record in usable)
                done.conversations += len(batch)
                done.written += len(usable)
                done.changed += changed
                done.rejected.update(turn.rule for record in batch for turn in record.turns if turn.rule)
        if not done.written:
            raise InputError(f"{inputs[0]}: not one conversation has a question with a reply; check its turns")
    del done.rejected["merged"]
    return done


def _line(record: Record) -> dict[str, object]:
    messages: list[dict[str, object]] = [
        {"role": message.role, "content": message.content} | ({} if message.train is None else {"train": message.train})
        for message in record.messages
    ]
    return {"id": record.id, "messages": messages, "source": record.source}
