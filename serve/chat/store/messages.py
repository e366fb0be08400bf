"""The messages of a conversation as a tree: a branch, its siblings, and every change that a person can make to it."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from serve.chat.store.access import NotFoundError, own, own_message, touch, transaction
from serve.chat.store.conversations import title_of
from serve.chat.store.tables import Conversation, Message, Share


@dataclass(frozen=True)
class Turn:
    """A message of the shown branch, and the ids of all that stand in its place, itself among them, oldest first."""

    message: Message
    siblings: tuple[str, ...]


@dataclass(frozen=True)
class Branch:
    """A conversation as it is shown: one path through its tree."""

    conversation: Conversation
    turns: tuple[Turn, ...]

    @property
    def messages(self) -> list[Message]:
        """The messages alone."""
        return [turn.message for turn in self.turns]


class Tree:
    """All messages of one conversation, read at once."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._by_id = {message.id: message for message in messages}
        self._children: dict[str | None, list[str]] = defaultdict(list)
        for message in messages:
            self._children[message.parent].append(message.id)

    @classmethod
    def read(cls, session: Session, conversation: str) -> "Tree":
        """The tree of a conversation, children in the order in which they came."""
        query = select(Message).where(Message.conversation == conversation).order_by(Message.created, Message.id)
        return cls(session.scalars(query).all())

    def path(self, leaf: str | None) -> Iterator[Turn]:
        """The turns from the first message to a leaf."""
        ids: list[str] = []
        while leaf is not None:
            ids.append(leaf)
            leaf = self._by_id[leaf].parent
        for each in reversed(ids):
            message = self._by_id[each]
            yield Turn(message, tuple(self._children[message.parent]))

    def leaves(self, shown: str | None) -> list[str | None]:
        """The last messages of all branches, oldest first, before them that of the shown one, which may go on."""
        ends = [each for each in self._by_id if not self._children[each] and each != shown]
        return [*([shown] if shown else []), *ends] or [None]

    def places(self, role: str) -> Iterator[list[Message]]:
        """The messages of a role that stand in one place, for each place: the first try and what replaced it."""
        for children in list(self._children.values()):
            alike = [self._by_id[each] for each in children if self._by_id[each].role == role]
            if alike:
                yield alike

    def is_continued(self, message: str) -> bool:
        """Whether anything follows a message."""
        return bool(self._children[message])

    def newest_leaf(self, below: str | None) -> str | None:
        """The end of the branch that grew last under a message, or of all for None."""
        while self._children[below]:
            below = max(self._children[below], key=self._last_change)
        return below

    def under(self, message: str) -> list[str]:
        """A message and all that follow it on any branch."""
        found = [message]
        for each in found:
            found += self._children[each]
        return found

    def _last_change(self, message: str) -> tuple[float, str]:
        return max((self._by_id[each].created, each) for each in self.under(message))


def branch(engine: Engine, owner: str, conversation: str) -> Branch:
    """The shown branch of a person's conversation. Raises NotFoundError."""
    with transaction(engine) as session:
        found = own(session, owner, conversation)
        return Branch(found, tuple(Tree.read(session, conversation).path(found.leaf)))


def get(engine: Engine, owner: str, message: str) -> Message:
    """One message. Raises NotFoundError."""
    with transaction(engine) as session:
        return own_message(session, owner, message)[1]


def before(engine: Engine, owner: str, message: str) -> list[Message]:
    """The messages that lead up to one, itself the last. Raises NotFoundError."""
    with transaction(engine) as session:
        conversation, found = own_message(session, owner, message)
        return [turn.message for turn in Tree.read(session, conversation.id).path(found.id)]


def add(engine: Engine, owner: str, /, conversation: str, *, role: str, content: str, **kept: Any) -> Message:  # noqa: ANN401
    """A message at the end of the shown branch; the first question gives the conversation its title."""
    with transaction(engine) as session:
        found = own(session, owner, conversation)
        return _add(session, found, parent=found.leaf, role=role, content=content, **kept)


def add_sibling(engine: Engine, owner: str, /, message: str, *, content: str, **kept: Any) -> Message:  # noqa: ANN401
    """A message of the same role in the same place as another, which stays: a regenerated reply, an edited question."""
    with transaction(engine) as session:
        conversation, found = own_message(session, owner, message)
        return _add(session, conversation, parent=found.parent, role=found.role, content=content, **kept)


def correct(engine: Engine, owner: str, message: str, content: str) -> Message:
    """A person's correction of a reply, beside the original. Raises NotFoundError for what is no reply, too."""
    with transaction(engine) as session:
        conversation, found = own_message(session, owner, message)
        if found.role != "assistant":
            raise NotFoundError(message)
        return _add(
            session,
            conversation,
            parent=found.parent,
            role="assistant",
            content=content,
            corrects=found.corrects or found.id,
            model=found.model,
        )


def show(engine: Engine, owner: str, message: str) -> None:
    """Switch to the branch of a message: to the end that grew last below it."""
    with transaction(engine) as session:
        conversation, found = own_message(session, owner, message)
        conversation.leaf = Tree.read(session, conversation.id).newest_leaf(found.id)


def undo(engine: Engine, owner: str, conversation: str) -> str:
    """Step back before the last question of the shown branch; returns its text. What was said stays in the tree.

    Raises NotFoundError where there is no question.
    """
    with transaction(engine) as session:
        found = own(session, owner, conversation)
        for turn in reversed(list(Tree.read(session, conversation).path(found.leaf))):
            if turn.message.role == "user":
                found.leaf = turn.message.parent
                touch(found)
                return turn.message.content
    raise NotFoundError(conversation)


def remove(engine: Engine, owner: str, message: str) -> None:
    """Delete a message and all that follow it, for good; another branch in its place is shown if there is one."""
    with transaction(engine) as session:
        conversation, found = own_message(session, owner, message)
        tree = Tree.read(session, conversation.id)
        gone = tree.under(found.id)
        shown = {turn.message.id for turn in tree.path(conversation.leaf)}
        parent = found.parent
        for each in session.scalars(select(Message).where(Message.id.in_(gone))):
            session.delete(each)
        session.execute(update(Share).where(Share.leaf.in_(gone)).values(revoked=time.time()))
        session.flush()
        if found.id in shown:
            siblings = [each for turn in tree.path(found.id) for each in turn.siblings if turn.message is found]
            has_other = any(each not in gone for each in siblings)
            conversation.leaf = Tree.read(session, conversation.id).newest_leaf(parent) if has_other else parent
        touch(conversation)


def judge(engine: Engine, owner: str, message: str, *, thumb: int, reason: str) -> None:
    """A person's thumb on a reply: 1, -1, or 0 for none, and why."""
    with transaction(engine) as session:
        _, found = own_message(session, owner, message)
        found.thumb, found.reason = max(-1, min(1, thumb)), reason if thumb else ""


def _add(
    session: Session,
    conversation: Conversation,
    *,
    parent: str | None,
    role: str,
    content: str,
    **kept: Any,  # noqa: ANN401 the message's other columns
) -> Message:
    message = Message(conversation=conversation.id, parent=parent, role=role, content=content, **kept)
    session.add(message)
    session.flush()
    conversation.leaf = message.id
    if role == "user" and not conversation.title:
        conversation.title = title_of(content)
    touch(conversation)
    return message
