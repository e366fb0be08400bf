"""Read-only links to a branch as it was when it was shared; they can be revoked."""

import time

from sqlalchemy import Engine, select

from serve.chat.store.access import NotFoundError, own, transaction
from serve.chat.store.messages import Branch, Tree
from serve.chat.store.tables import Conversation, Share


def share(engine: Engine, owner: str, conversation: str) -> str:
    """The token of a link to the branch that is shown now; the same one as long as it is the same branch."""
    with transaction(engine) as session:
        found = own(session, owner, conversation)
        if found.leaf is None:
            raise NotFoundError(conversation)
        same = (Share.conversation == found.id, Share.leaf == found.leaf, Share.revoked.is_(None))
        existing = session.scalars(select(Share).where(*same)).first()
        if existing is None:
            existing = Share(conversation=found.id, leaf=found.leaf)
            session.add(existing)
            session.flush()
        return existing.token


def revoke(engine: Engine, owner: str, conversation: str) -> None:
    """End all links to a conversation, now."""
    with transaction(engine) as session:
        own(session, owner, conversation)
        links = select(Share).where(Share.conversation == conversation, Share.revoked.is_(None))
        for link in session.scalars(links):
            link.revoked = time.time()


def shared(engine: Engine, token: str) -> Branch:
    """What a link shows. Raises NotFoundError for one that is revoked, unknown, or whose conversation is deleted."""
    with transaction(engine) as session:
        link = session.get(Share, token)
        if link is None or link.revoked is not None:
            raise NotFoundError(token)
        conversation = session.get_one(Conversation, link.conversation)
        if conversation.deleted is not None:
            raise NotFoundError(token)
        return Branch(conversation, tuple(Tree.read(session, conversation.id).path(link.leaf)))
