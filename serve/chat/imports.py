"""Dumps into the chat database, to be browsed and continued: every format that `chaku data prepare` reads."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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

    A tree of messages (OpenAssistant's, a ChatGPT export's) comes in with all its branches; the one that was shown last
    or ranked best is shown. All or nothing: a dump that breaks off leaves the database as it was. Raises InputError for
    bad input, and where no conversation has a reply.
    """
    done = Imported()
    with progress("import", total=size_of(inputs)) as report, transaction(engine) as session:
        raws = (raw for path in inputs for raw in read_records(path, report=report))
        for number, raw in enumerate(raws):
            for paths in _trees(raw):
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


def _trees(raw: RawRecord) -> Iterator[list[Record]]:
    """The conversations of a raw record, each with all its paths; only a tree has more than one."""
    paths, _ = clean_batch([raw], branches="all")
    if (raw.format or format_of(raw.value)) in _TREES:
        yield paths
    else:
        yield from ([path] for path in paths)
