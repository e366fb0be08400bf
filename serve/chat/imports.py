"""Dumps into the chat database, to be browsed and continued: every format that `chaku data prepare` reads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data_tools.cleaning import clean_dumps
from data_tools.plain import size_of
from data_tools.progress import progress
from data_tools.records import Record
from serve.chat.store.access import transaction
from serve.chat.store.conversations import title_of
from serve.chat.store.tables import Conversation, Message, new_id
from templates import InputError


@dataclass(slots=True)
class Imported:
    """How many conversations came in, and how many turns were left out by which rule."""

    conversations: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def import_dumps(engine: Engine, inputs: Sequence[Path], *, owner: str = "") -> Imported:
    """Clean and repair dumps as for training, and keep each conversation that has a reply; memory stays flat.

    All or nothing: a dump that breaks off leaves the database as it was. Raises InputError for bad input, and where no
    conversation has a reply.
    """
    done = Imported()
    with progress("import", total=size_of(inputs)) as report, transaction(engine) as session:
        for batch, _ in clean_dumps(inputs, workers=1, report=report):
            for record in batch:
                done.left_out.update(turn.rule for turn in record.turns if turn.rule not in ("", "merged"))
                if record.messages:
                    _keep(session, record, owner)
                    done.conversations += 1
            session.flush()
            session.expunge_all()
        if not done.conversations:
            raise InputError(f"{inputs[0]}: not one conversation has a question with a reply; check its turns")
    return done


def _keep(session: Session, record: Record, owner: str) -> None:
    system = "\n\n".join(message.content for message in record.messages if message.role == "system")
    spoken = [message for message in record.messages if message.role != "system"]
    ids = [new_id() for _ in spoken]
    first = next(message.content for message in spoken if message.role == "user")
    conversation = Conversation(
        id=new_id(),
        owner=owner,
        title=title_of(first),
        system=system,
        settings={},
        source=record.id[:400],
        leaf=ids[-1],
    )
    session.add(conversation)
    session.flush()
    for own, parent, message in zip(ids, [None, *ids], spoken, strict=False):
        session.add(
            Message(
                id=own,
                conversation=conversation.id,
                parent=parent,
                role=message.role,
                content=message.content,
                train=message.train,
            )
        )
