"""The tables of the chat database.

A conversation is a tree of messages: an edited question or a regenerated reply is a further child of the same parent,
and `Conversation.leaf` says which branch is shown. Nothing is overwritten but a reply while it grows.
Times are seconds since the epoch, as floats, since SQLite knows no time zones.
"""

import secrets
import time
from typing import Any

from sqlalchemy import JSON, Dialect, ForeignKey, Index, MetaData, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_id() -> str:
    """An id that nobody can guess: 128 random bits in 22 characters."""
    return secrets.token_urlsafe(16)


class _Written(TypeDecorator[str]):
    """What somebody wrote. No database keeps half of a surrogate pair, and PostgreSQL no NUL: each becomes U+FFFD."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As it is kept."""
        return value and value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Words(_Written):
    """Text of any length."""

    impl = Text
    cache_ok = True


class Name(_Written):
    """Text of at most so many characters: `Name(200)`."""

    cache_ok = True


class Base(DeclarativeBase):
    """All tables; constraints have names, so that migrations can speak of them on every database."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {str: String(64), dict[str, Any]: JSON}  # noqa: RUF012


class Conversation(Base):
    """A conversation of one person. `owner` is the login name, empty where nobody logs in.

    `deleted` is the time at which it went to the bin, from which it can come back. `for_training` is what a person
    decided on the data page: True, False, or None for undecided. `leaf` is the last message of the shown branch.
    """

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(Name(200), default="")
    title: Mapped[str] = mapped_column(Name(200), default="")
    system: Mapped[str] = mapped_column(Words(), default="")
    model: Mapped[str] = mapped_column(Name(400), default="")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    source: Mapped[str] = mapped_column(Name(400), default="")  # the id in the dump that it was imported from
    leaf: Mapped[str | None] = mapped_column(default=None)
    is_pinned: Mapped[bool] = mapped_column(default=False)
    is_renamed: Mapped[bool] = mapped_column(default=False)  # a title that a person gave is never made anew
    for_training: Mapped[bool | None] = mapped_column(default=None)
    created: Mapped[float] = mapped_column(default=time.time)
    updated: Mapped[float] = mapped_column(default=time.time)
    deleted: Mapped[float | None] = mapped_column(default=None)

    __table_args__ = (Index("ix_conversations_owner_updated", "owner", "updated"),)


class Message(Base):
    """A message of the tree. The first ones have no parent.

    `state` is ``whole``, ``growing`` (the reply streams), ``stopped`` (by the person), ``cut`` (the server or the
    page's process ended in the middle) or ``failed`` (`error` says why). `corrects` names the reply of which this one
    is a person's correction. `thumb` is 1, -1 or 0. `train` is what a dump said of an imported reply.
    """

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    parent: Mapped[str | None] = mapped_column(default=None)
    role: Mapped[str] = mapped_column(String(20))
    content: Mapped[str] = mapped_column(Words(), default="")
    state: Mapped[str] = mapped_column(String(20), default="whole")
    error: Mapped[str] = mapped_column(Words(), default="")
    corrects: Mapped[str | None] = mapped_column(default=None)
    train: Mapped[bool | None] = mapped_column(default=None)
    thumb: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(Words(), default="")
    model: Mapped[str] = mapped_column(Name(400), default="")
    sampling: Mapped[dict[str, Any]] = mapped_column(default=dict)
    finish_reason: Mapped[str] = mapped_column(String(40), default="")
    prompt_tokens: Mapped[int | None] = mapped_column(default=None)
    completion_tokens: Mapped[int | None] = mapped_column(default=None)
    seconds_to_first: Mapped[float | None] = mapped_column(default=None)
    seconds: Mapped[float | None] = mapped_column(default=None)
    created: Mapped[float] = mapped_column(default=time.time)
    updated: Mapped[float] = mapped_column(default=time.time)


class Share(Base):
    """A read-only link to a branch as it was when it was shared; a revoked one shows nothing any more."""

    __tablename__ = "shares"

    token: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    leaf: Mapped[str]
    created: Mapped[float] = mapped_column(default=time.time)
    revoked: Mapped[float | None] = mapped_column(default=None)


class Vote(Base):
    """A vote between two models' answers to one prompt: `winner` is ``a``, ``b``, ``tie`` or ``both_bad``.

    `messages` is the conversation before the answers (system prompt and earlier turns included), as in a request.
    """

    __tablename__ = "votes"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(Name(200), default="", index=True)
    messages: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    model_a: Mapped[str] = mapped_column(Name(400))
    model_b: Mapped[str] = mapped_column(Name(400))
    answer_a: Mapped[str] = mapped_column(Words())
    answer_b: Mapped[str] = mapped_column(Words())
    winner: Mapped[str] = mapped_column(String(20))
    is_blind: Mapped[bool] = mapped_column(default=True)
    sampling: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created: Mapped[float] = mapped_column(default=time.time, index=True)
