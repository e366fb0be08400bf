"""A person's conversations: made, listed, searched, renamed, pinned, deleted and brought back."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, or_, select

from serve.chat.store.access import NotFoundError, own, touch, transaction
from serve.chat.store.tables import Conversation, Message

TITLE_LENGTH = 60
_BIN_SECONDS = 30 * 24 * 3600.0


def create(engine: Engine, owner: str, *, model: str = "", system: str = "", settings: dict[str, Any]) -> Conversation:
    """A new conversation with nothing in it."""
    with transaction(engine) as session:
        conversation = Conversation(owner=owner, model=model, system=system, settings=settings)
        session.add(conversation)
    return conversation


def get(engine: Engine, owner: str, conversation: str) -> Conversation:
    """One of a person's conversations. Raises NotFoundError."""
    with transaction(engine) as session:
        return own(session, owner, conversation)


def listed(engine: Engine, owner: str, *, search: str = "", limit: int = 100) -> Sequence[Conversation]:
    """The newest conversations, pinned ones first; with `search` those whose title or some message holds the words."""
    query = select(Conversation).where(Conversation.owner == owner, Conversation.deleted.is_(None), *holding(search))
    query = query.order_by(Conversation.is_pinned.desc(), Conversation.updated.desc(), Conversation.id).limit(limit)
    with transaction(engine) as session:
        return session.scalars(query).all()


def holding(search: str) -> Iterator[ColumnElement[bool]]:
    """For each word searched for, that the title or some message of a conversation holds it."""
    for word in search.split()[:8]:
        held = select(Message.conversation).where(Message.content.icontains(word, autoescape=True))
        yield or_(Conversation.title.icontains(word, autoescape=True), Conversation.id.in_(held))


def rename(engine: Engine, owner: str, conversation: str, title: str) -> None:
    """Give it a title of a person's own; an empty one is made anew from its first message."""
    with transaction(engine) as session:
        found = own(session, owner, conversation)
        found.title = title_of(title) or _first_title(session.scalars(_first_message(conversation)).first())
        found.is_renamed = bool(title.strip())


def pin(engine: Engine, owner: str, conversation: str, *, is_pinned: bool) -> None:
    """Keep it on top of the list, or no longer."""
    with transaction(engine) as session:
        own(session, owner, conversation).is_pinned = is_pinned


def configure(
    engine: Engine, owner: str, conversation: str, *, model: str, system: str, settings: dict[str, Any]
) -> None:
    """Keep with it what it was last asked with."""
    with transaction(engine) as session:
        found = own(session, owner, conversation)
        found.model, found.system, found.settings = model, system, settings
        touch(found)


def remove(engine: Engine, owner: str, conversation: str) -> None:
    """Put it into the bin, from which `restore` brings it back as it was. What lay there for a month is deleted."""
    with transaction(engine) as session:
        own(session, owner, conversation).deleted = time.time()
        expired = (Conversation.owner == owner, Conversation.deleted < time.time() - _BIN_SECONDS)
        session.execute(delete(Conversation).where(*expired))


def restore(engine: Engine, owner: str, conversation: str) -> None:
    """Bring it back from the bin. Raises NotFoundError where it is not there."""
    with transaction(engine) as session:
        found = own(session, owner, conversation, deleted=True)
        if found.deleted is None:
            raise NotFoundError(conversation)
        found.deleted = None


def title_of(text: str) -> str:
    """A title made from a message: its first line, cut at a word.

    >>> title_of("  How are\\nyou? ")
    'How are'
    >>> title_of("word " * 20)
    'word word word word word word word word word word word word…'
    """
    line = " ".join(next((line for line in text.splitlines() if line.strip()), "").split())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH]
    return (cut.rsplit(" ", 1)[0] if " " in cut[TITLE_LENGTH // 2 :] else cut) + "…"


def _first_message(conversation: str) -> Any:  # noqa: ANN401 a select of one column
    where = (Message.conversation == conversation, Message.role == "user")
    return select(Message.content).where(*where).order_by(Message.created, Message.id).limit(1)


def _first_title(content: str | None) -> str:
    return title_of(content or "")
