"""Conversation -> text -> token ids and loss mask: the one place that decides what a model reads."""

from typing import TYPE_CHECKING

from templates.conversation import ROLES, Conversation, Message, MessageDict, Messages, Role, as_messages
from templates.encoded import Encoded
from templates.errors import InputError
from templates.template import RenderError, Template, load, names

if TYPE_CHECKING:
    from templates.encoder import Encoder
    from templates.fingerprint import Fingerprint

__all__ = [
    "ROLES",
    "Conversation",
    "Encoded",
    "Encoder",
    "Fingerprint",
    "InputError",
    "Message",
    "MessageDict",
    "Messages",
    "RenderError",
    "Role",
    "Template",
    "as_messages",
    "load",
    "names",
]


def __getattr__(name: str) -> object:
    # transformers takes a second to import: only those who encode pay for it
    if name in ("Encoder", "Fingerprint"):
        from templates import encoder

        return getattr(encoder, name)
    raise AttributeError(f"module 'templates' has no attribute {name!r}")
