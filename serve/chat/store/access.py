"""Sessions over the chat database, and the one check that every call goes through: whose is it?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from serve.chat.store.tables import Conversation, Message


class NotFoundError(LookupError):
    """There is nothing of this id that the person may see; another's is no different from an absent one."""


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose changes are committed at the end, or not at all. What it loads stays readable afterwards."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def own(session: Session, owner: str, conversation: str, *, deleted: bool = False) -> Conversation:
    """A person's conversation, for a change. Raises NotFoundError; one in the bin is found only if `deleted`."""
    found = session.get(Conversation, conversation, with_for_update=True)
    if found is None or found.owner != owner or (found.deleted is not None and not deleted):
        raise NotFoundError(conversation)
    return found


def own_message(session: Session, owner: str, message: str) -> tuple[Conversation, Message]:
    """A message in a person's conversation, and the conversation. Raises NotFoundError."""
    found = session.get(Message, message)
    if found is None:
        raise NotFoundError(message)
    return own(session, owner, found.conversation), found


def touch(conversation: Conversation) -> None:
    """Note that it changed now, which puts it on top of the list."""
    conversation.updated = time.time()
