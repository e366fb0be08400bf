"""Pairs of a question and its reply under `conversation`, as crawls of ShareGPT were passed on."""

from data_tools.readers.turns import id_of, record_of, role_of, system_turns
from data_tools.records import Branches, RawRecord, Record, Turn


def holds(value: dict[str, object]) -> bool:
    """Whether a value is of this format."""
    items = value.get("conversation")
    return isinstance(items, list) and any(isinstance(item, dict) and _spoken(item) for item in items)


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """One record.

    >>> value = {"conversation": [{"human": "Hi", "assistant": "Hello!"}]}
    >>> [(turn.role, turn.text) for turn in parse(RawRecord("a.json", 0, value, "pairs"), value, "main")[0].turns]
    [('user', 'Hi'), ('assistant', 'Hello!')]
    """
    items = value.get("conversation")
    turns: list[Turn] = []
    for item in items if isinstance(items, list) else []:
        said = _spoken(item) if isinstance(item, dict) else {}
        for spelling, text in said.items():
            role, is_text = role_of(spelling), isinstance(text, str)
            turns.append(Turn(len(turns), role, str(text) if is_text else "", "" if is_text else "not_text"))
        if not said:
            turns.append(Turn(len(turns), None, "", "not_a_turn"))
    return [record_of(raw, system_turns(value) + turns if turns else [], id_of(raw, value))]


def _spoken(item: dict[str, object]) -> dict[str, object]:
    return {spelling: text for spelling, text in item.items() if role_of(spelling)}
