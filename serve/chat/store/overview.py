"""A person's conversations as training data: what is in each, and whether it is marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, case, func, or_, select

from serve.chat.store.access import own, transaction
from serve.chat.store.conversations import holding
from serve.chat.store.tables import Conversation, Message

MARKS: dict[str, bool | None] = {"yes": True, "no": False, "open": None}


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation with counts of its messages on all branches."""

    conversation: Conversation
    messages: int
    good: int
    bad: int
    corrections: int


def overview(
    engine: Engine, owner: str, *, search: str = "", mark: str = "", judged: bool = False, limit: int = 500
) -> Sequence[Row]:
    """The newest conversations that pass the filters: words in title or messages, a mark of `MARKS`, any judgement."""
    counted = {
        "messages": func.count(Message.id),
        "good": func.sum(case((Message.thumb > 0, 1), else_=0)),
        "bad": func.sum(case((Message.thumb < 0, 1), else_=0)),
        "corrections": func.count(Message.corrects),
    }
    query = (
        select(Conversation, *counted.values())
        .join(Message, Message.conversation == Conversation.id)
        .where(Conversation.owner == owner, Conversation.deleted.is_(None), *holding(search))
        .group_by(Conversation.id)
        .order_by(Conversation.updated.desc(), Conversation.id)
        .limit(limit)
    )
    if mark in MARKS:
        query = query.where(Conversation.for_training.is_(MARKS[mark]))
    if judged:
        query = query.having(or_(func.count(Message.corrects) > 0, func.sum(func.abs(Message.thumb)) > 0))
    with transaction(engine) as session:
        return [Row(found, *map(int, counts)) for found, *counts in session.execute(query)]


def mark_for_training(engine: Engine, owner: str, conversations: Sequence[str], mark: str) -> None:
    """Mark conversations by a name of `MARKS`: all of them, or none where one is not found. Raises NotFoundError."""
    with transaction(engine) as session:
        for name in conversations:
            own(session, owner, name).for_training = MARKS[mark]
