"""Conversation -> text -> token ids and loss mask: the one place that decides what a model reads."""

from templates.conversation import ROLES, Conversation, Message, MessageDict, Messages, Role, as_messages
from templates.errors import InputError

__all__ = ["ROLES", "Conversation", "InputError", "Message", "MessageDict", "Messages", "Role", "as_messages"]
