"""A record of a dump on its way through the pipeline: its turns, and what became of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from data_tools.comparable import Comparable, comparable
from templates import Conversation, Message, Role

# What one value of a dump can be, as `--format` names it, and how it is known.
FORMATS: dict[str, str] = {
    "sharegpt": '{"conversations": [{"from", "value"}]}, with system, tools and train keys',
    "messages": '{"messages": [{"role", "content"}]}, as OpenAI and Hugging Face write it, with tool calls',
    "chatgpt-export": "ChatGPT's conversations.json: a tree of messages under `mapping`",
    "chatgpt-page": "a saved page of a ChatGPT conversation (.html)",
    "openassistant": "OpenAssistant's message trees: replies under `prompt`",
    "fastchat-log": "FastChat's server logs (*-conv.json), with votes",
    "pairs": '{"conversation": [{"human", "assistant"}]}',
    "marked-text": '{"text": "<|user|>: ... <|bot|>: ..."}',
    "alpaca": "instruction, input, and output or response; with history, system, instances",
}
# Of a tree of messages: the path that was shown last or ranked best, or every path to a leaf.
Branches = Literal["main", "all"]


class Place(NamedTuple):
    """Where a text stands in a file."""

    path: Path
    at: int


@dataclass(slots=True)
class RawRecord:
    """One value of a dump as it was read: `index` counts the records of `file` from 0.

    `format` is one of `FORMATS`; where it is empty, the value's shape decides. `rule` names why the reader rejects the
    record as a whole; `line` is then where it begins, counted from 1, if its file has lines. `joined` counts the pieces
    of a split conversation that were joined to it; its turns from `own_turns` on are theirs. `text` is the value's
    JSON, where it is at hand and the value is as it was read; `place` is where it stands, if its file is not packed.
    """

    file: str
    index: int
    value: object
    format: str = ""
    rule: str = ""
    line: int = 0
    joined: int = 0
    own_turns: int = 0
    text: bytes = b""
    place: Place | None = field(default=None, compare=False)

    def __reduce__(self) -> tuple[Callable[..., "RawRecord"], tuple[object, ...]]:
        """To another process goes the text, and is read there once more: in less time than its parts would take."""
        rest = (self.format, self.rule, self.line, self.joined, self.own_turns, self.text)
        return _received, (self.file, self.index, None if self.text else self.value, *rest)


def _received(file: str, index: int, value: object, *rest: Any) -> RawRecord:  # noqa: ANN401 as they were sent
    record = RawRecord(file, index, value, *rest)
    if record.text:
        record.value = orjson.loads(record.text)
    return record


@dataclass(slots=True)
class Turn:
    """One input turn. `index` is its place in its record (-1: made from a `system` key or a whole bad record; -2: from
    a `tools` key).

    `rule` names what decided its fate: why it is rejected, or `merged` where it joined the turn before it. `train`
    is the dump's own word on whether a reply carries loss; None where it says nothing. `joined`: it stood in a further
    piece of a split conversation, a record of its own. `is_call`: its text is the JSON of a tool's call, or of several.
    """

    index: int
    role: Role | None
    text: str
    rule: str = ""
    train: bool | None = None
    joined: bool = False
    is_call: bool = False


@dataclass(slots=True)
class Record:
    """One conversation with all its input turns; `message_turns[k]` are the positions of message k's turns.

    `tools` are the definitions of tools in OpenAI's form, where its template has a place for them.
    """

    id: str
    file: str
    index: int
    turns: list[Turn]
    messages: list[Message] = field(default_factory=list)
    message_turns: list[list[int]] = field(default_factory=list)
    tools: tuple[Mapping[str, Any], ...] = ()
    _compared: tuple[list[Message], list[Comparable]] = field(default=([], []), repr=False, compare=False)

    @property
    def source(self) -> str:
        """Where it came from, as `file#record`."""
        return f"{self.file}#{self.index}"

    @property
    def conversation(self) -> Conversation:
        """Its cleaned and repaired messages."""
        return Conversation(id=self.id, messages=tuple(self.messages), source=self.source, tools=self.tools)

    def comparables(self) -> list[Comparable]:
        """Its messages as copies are told, made once for the messages that it has."""
        if self._compared[0] != self.messages:
            self._compared = list(self.messages), [comparable(message.content) for message in self.messages]
        return self._compared[1]

    def reject(self, rule: str) -> None:
        """Reject the whole conversation by name; turns that already have a reason keep it."""
        for turn in self.turns:
            turn.rule = turn.rule if turn.rule not in ("", "merged") else rule
        self.messages, self.message_turns = [], []
