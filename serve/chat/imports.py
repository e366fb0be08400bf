"""Dumps into the chat database, to be browsed and continued: every format that `chaku data prepare` reads."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from sqlalchemy import Engine

from data_tools.cleaning import clean_batch
from data_tools.plain import size_of
from data_tools.progress import progress
from data_tools.readers import read_records
from data_tools.readers.formats import format_of
from data_tools.records import RawRecord, Record
from serve.chat.import_trees import plant
from serve.chat.store.access import transaction
from templates import InputError

_TREES = ("chatgpt-export", "openassistant")
_KEPT = ("", "merged")
_AT_ONCE = 128


@dataclass(slots=True)
class Imported:
    """What came in. Each input turn is kept or left out by a rule: ``turns == kept + left_out.total()``.

    `branches` are the paths to a last message, over all conversations.
    """

    conversations: int = 0
    branches: int = 0
    turns: int = 0
    kept: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def count(self, paths: Sequence[Record]) -> None:
        """Enter each turn once, on however many paths of a tree it stands; it is kept where one of them keeps it."""
        rules: dict[int, str] = {}
        for turn in (turn for path in paths for turn in path.turns):
            if turn.rule in _KEPT or turn.index not in rules:
                rules[turn.index] = "" if turn.rule in _KEPT else turn.rule
        self.turns += len(rules)
        self.kept += sum(not rule for rule in rules.values())
        self.left_out.update(rule for rule in rules.values() if rule)


def import_dumps(engine: Engine, inputs: Sequence[Path], *, owner: str = "") -> Imported:
    """Clean and repair dumps as for training, and keep each conversation that has a reply; memory stays flat.

    A tree of messages (OpenAssistant's, a ChatGPT export's, the rows that an export of all branches made of one
    conversation) comes in with all its branches; the one that was shown last or ranked best is shown. All or nothing:
    a dump that breaks off leaves the database as it was. Raises InputError for bad input, and where no conversation
    has a reply.
    """
    done = Imported()
    with progress("import", total=size_of(inputs)) as report, transaction(engine) as session:
        raws = (raw for path in inputs for raw in read_records(path, report=report))
        for number, rows in enumerate(_together(raws)):
            for paths in _trees(rows):
                done.count(paths)
                for branches in plant(session, paths, owner=owner):
                    done.conversations += 1
                    done.branches += branches
            if number % _AT_ONCE == 0:
                session.flush()
                session.expunge_all()
        if not done.conversations:
            raise InputError(f"{inputs[0]}: not one conversation has a question with a reply; check its turns")
    return done


def _together(raws: Iterable[RawRecord]) -> Iterator[list[RawRecord]]:
    """Neighbouring rows that are branches of one conversation, as an export of all branches says; others alone."""

    def place(raw: RawRecord) -> tuple[str, object]:
        branch = _branch(raw)
        return raw.file, branch[0] if branch else raw.index

    for _, rows in groupby(raws, key=place):
        yield list(rows)


def _trees(rows: Sequence[RawRecord]) -> Iterator[list[Record]]:
    """The conversations of some rows, each with all its paths; only a tree has more than one."""
    if _branch(rows[0]):
        yield [_numbered(path, raw) for raw in rows for path in clean_batch([raw])[0]]
        return
    paths, _ = clean_batch(rows, branches="all")
    if (rows[0].format or format_of(rows[0].value)) in _TREES:
        yield paths
    else:
        yield from ([path] for path in paths)


def _branch(raw: RawRecord) -> tuple[str, list[int]] | None:
    """The conversation of which a row is a branch, and its turns' numbers in it; None where it does not say so."""
    value = raw.value if isinstance(raw.value, dict) else {}
    of, numbers = value.get("branch_of"), value.get("turn_numbers")
    turns = value.get("conversations", value.get("messages"))
    if not (isinstance(of, str) and isinstance(numbers, list) and isinstance(turns, list)):
        return None
    is_whole = len(numbers) == len(turns) and all(type(one) is int for one in numbers)
    return (of, numbers) if is_whole else None


def _numbered(path: Record, raw: RawRecord) -> Record:
    """The turns at their places in the tree instead of those in their row."""
    _, numbers = _branch(raw) or ("", [])
    for turn in path.turns:
        if 0 <= turn.index < len(numbers):
            turn.index = numbers[turn.index]
    return path
