"""Conversations as one text with marks of the speakers: `<|user|>: ...` and `<|bot|>: ...`, each on a new line."""

import re

from data_tools.readers.turns import id_of, record_of, role_of, system_turns
from data_tools.records import Branches, RawRecord, Record, Turn

_MARK = re.compile(r"^<\|(user|human|bot|assistant|system)\|>:[ \t]?", re.MULTILINE)


def holds(value: dict[str, object]) -> bool:
    """Whether a value is of this format."""
    text = value.get("text")
    return isinstance(text, str) and _MARK.search(text) is not None


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """One record; text before the first mark is `not_a_turn`.

    >>> value = {"text": "\\n<|user|>: Hi\\n\\n<|bot|>: Hello!\\n\\n"}
    >>> [(turn.role, turn.text) for turn in parse(RawRecord("a.json", 0, value, "marked-text"), value, "main")[0].turns]
    [('user', 'Hi'), ('assistant', 'Hello!')]
    """
    text = value.get("text")
    first, *parts = _MARK.split(text if isinstance(text, str) else "")
    turns = [Turn(0, None, first, "not_a_turn")] if first.strip() else []
    for mark, said in zip(parts[::2], parts[1::2], strict=True):
        turns.append(Turn(len(turns), role_of(mark), said.strip("\n")))
    return [record_of(raw, system_turns(value) + turns if turns else [], id_of(raw, value))]
