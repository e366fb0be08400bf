"""A record of a dump on its way through the pipeline: its turns, and what became of each."""

from dataclasses import dataclass, field
from pathlib import PurePath

from templates import Conversation, Message, Role

ROLE_SPELLINGS: dict[str, Role] = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "assistant", "bing", "bard", "model"), "assistant"),
    "system": "system",
    **dict.fromkeys(("tool", "observation", "function_call"), "tool"),
}


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One value of a dump as JSON gave it: `index` counts the records of `file` from 0."""

    file: str
    index: int
    value: object


@dataclass(slots=True)
class Turn:
    """One input turn. `index` is its place in its record (-1: made from a `system` key or a whole bad record).

    `rule` names what decided its fate: why it is rejected, or `merged` where it joined the turn before it. `train`
    is the dump's own word on whether a reply carries loss; None where it says nothing.
    """

    index: int
    role: Role | None
    text: str
    rule: str = ""
    train: bool | None = None


@dataclass(slots=True)
class Record:
    """One conversation with all its input turns; `message_turns[k]` are the positions of message k's turns."""

    id: str
    file: str
    index: int
    turns: list[Turn]
    messages: list[Message] = field(default_factory=list)
    message_turns: list[list[int]] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Where it came from, as `file#record`."""
        return f"{self.file}#{self.index}"

    @property
    def conversation(self) -> Conversation:
        """Its cleaned and repaired messages."""
        return Conversation(id=self.id, messages=tuple(self.messages), source=self.source)

    def reject(self, rule: str) -> None:
        """Reject the whole conversation by name; turns that already have a reason keep it."""
        for turn in self.turns:
            turn.rule = turn.rule if turn.rule not in ("", "merged") else rule
        self.messages, self.message_turns = [], []


def parse(raw: RawRecord) -> Record:
    """Read a ShareGPT record; what cannot be read becomes a rejected turn.

    Rules: `not_an_object`, `no_conversations` (the whole record), `not_a_turn`, `unknown_role`, `not_text` (one turn).

    >>> parse(RawRecord("dump.json", 0, {"id": "a", "conversations": [{"from": "human", "value": "Hi"}]})).turns
    [Turn(index=0, role='user', text='Hi', rule='', train=None)]
    """
    value = raw.value
    if not isinstance(value, dict):
        return _bad_record(raw, "not_an_object")
    items = items_of(value)
    record_id = str(value.get("id") or value.get("conversation_id") or f"{PurePath(raw.file).stem}#{raw.index}")
    if items is None:
        return _bad_record(raw, "no_conversations", record_id)
    turns = [_parse_turn(index, item) for index, item in enumerate(items)]
    system = value.get("system")
    if isinstance(system, str) and system:
        turns.insert(0, Turn(-1, "system", system))
    if not turns:
        return _bad_record(raw, "no_conversations", record_id)
    return Record(id=record_id, file=raw.file, index=raw.index, turns=turns)


def items_of(value: dict[str, object]) -> list[object] | None:
    """The turns of a record: ShareGPT's `conversations`, or the `messages` of the OpenAI form."""
    for key in ("conversations", "messages"):
        items = value.get(key)
        if isinstance(items, list):
            return items
    return None


def _bad_record(raw: RawRecord, rule: str, record_id: str = "") -> Record:
    return Record(id=record_id, file=raw.file, index=raw.index, turns=[Turn(-1, None, "", rule)])


def _parse_turn(index: int, item: object) -> Turn:
    if not isinstance(item, dict):
        return Turn(index, None, "", "not_a_turn")
    spelling, text = item.get("from", item.get("role")), item.get("value", item.get("content"))
    if spelling is None or ("value" not in item and "content" not in item):
        return Turn(index, None, "", "not_a_turn")
    role = ROLE_SPELLINGS.get(spelling.strip().lower()) if isinstance(spelling, str) else None
    if role is None:
        return Turn(index, None, text if isinstance(text, str) else "", "unknown_role")
    if not isinstance(text, str):
        return Turn(index, role, "", "not_text")
    train = item.get("train")
    return Turn(index, role, text, train=train if isinstance(train, bool) else None)
