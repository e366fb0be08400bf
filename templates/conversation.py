"""What every room speaks: a conversation is a list of messages, each with a role and a content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, TypeAlias, TypedDict, cast

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn. `train=False` keeps an assistant's reply as context only; None leaves the choice to the pipeline.

    `tool_calls` are OpenAI's, of a reply that calls tools: ``{"type": "function", "function": {"name", "arguments"}}``,
    the arguments a mapping.
    """

    role: Role
    content: str
    train: bool | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()

    def plain(self) -> dict[str, Any]:
        """The OpenAI form, as templates read it and as JSON holds it.

        >>> Message(role="user", content="Hi").plain()
        {'role': 'user', 'content': 'Hi'}
        """
        plain: dict[str, Any] = {"role": self.role, "content": self.content}
        return plain | {"tool_calls": list(self.tool_calls)} if self.tool_calls else plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation with its id and where it came from (`file.json#record`, or empty).

    `tools` are the definitions of the tools that it offers, as OpenAI has them.
    """

    id: str
    messages: tuple[Message, ...]
    source: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def system_length(self) -> int:
        """The messages that stand before its pairs: 1 where it opens with a system prompt, else 0."""
        return int(self.messages[0].role == "system")

    @property
    def uses_tools(self) -> bool:
        """Whether tools are offered or called in it, so that only templates with a place for them can write it."""
        return bool(self.tools) or any(map(_CALLS, self.messages))


class MessageDict(TypedDict):
    """The OpenAI form of a message, as it stands in JSON."""

    role: str
    content: str


_CALLS = attrgetter("tool_calls")
Messages: TypeAlias = Sequence[Message] | Sequence[Mapping[str, object]] | Sequence[MessageDict]


def as_messages(conversation: Conversation | Messages) -> Sequence[Message]:
    """The messages of a `Conversation`, or of a plain list of ``{"role", "content"}``.

    Raises ValueError for a role that is not one of `ROLES`, TypeError for a content that is not text.

    >>> as_messages([{"role": "user", "content": "Hi"}])
    [Message(role='user', content='Hi', train=None, tool_calls=())]
    """
    if isinstance(conversation, Conversation):
        return conversation.messages
    return [
        item if isinstance(item, Message) else _from_mapping(cast("Mapping[str, object]", item), turn)
        for turn, item in enumerate(conversation)
    ]


def _from_mapping(item: Mapping[str, object], turn: int) -> Message:
    role, content, train = item.get("role"), item.get("content"), item.get("train")
    if role not in ROLES:
        raise ValueError(f"turn {turn}: role {role!r} is not one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise TypeError(f"turn {turn}: content is {type(content).__name__}, not text")
    calls = item.get("tool_calls")
    return Message(
        role=role,
        content=content,
        train=train if isinstance(train, bool) else None,
        tool_calls=tuple(calls) if isinstance(calls, list) else (),
    )


def has_surrogate(content: str) -> bool:
    """Whether a half of a surrogate pair stands in it; encoding tells in a quarter of a pattern's time.

    >>> has_surrogate("\\ud83d"), has_surrogate("😀")
    (True, False)
    """
    if content.isascii():
        return False
    try:
        content.encode()
    except UnicodeEncodeError:
        return True
    return False


def scalar_values(content: str) -> str:
    """The content as Unicode scalar values: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    if not has_surrogate(content):
        return content
    return content.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf8_length(content: str) -> int:
    """How many bytes a content has in UTF-8."""
    return len(content) if content.isascii() else len(content.encode())
