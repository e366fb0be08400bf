"""OpenAI's messages, as fine-tuning files and Hugging Face data sets have them; also its evals' samples."""

import json

from data_tools.readers.turns import flag_of, id_of, record_of, role_of, system_turns, text_of
from data_tools.records import Branches, RawRecord, Record, Turn

_KEYS = ("messages", "conversation", "input")


def holds(value: dict[str, object]) -> bool:
    """Whether a value is of this format: a list of turns that have a `role`."""
    return _items(value) is not None


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """One record. A call of a tool becomes a tool's turn with the call as JSON; what is not text is `not_text`.

    >>> value = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "image"}]}]}
    >>> parse(RawRecord("a.jsonl", 0, value, "messages"), value, "main")[0].turns
    [Turn(index=0, role='user', text='Hi', ...), Turn(index=1, role='assistant', text='', rule='not_text', ...)]
    """
    turns = [turn_of(index, item) for index, item in enumerate(_items(value) or [])]
    if turns and "ideal" in value:
        turns.append(turn_of(len(turns), {"role": "assistant", "content": value["ideal"]}))
    if turns:
        turns = system_turns(value) + turns
    return [record_of(raw, turns, id_of(raw, value))]


def turn_of(index: int, item: object) -> Turn:
    """One message as a turn."""
    if not isinstance(item, dict) or item.get("role") is None:
        return Turn(index, None, "", "not_a_turn")
    calls = item.get("tool_calls") or item.get("function_call")
    if "content" not in item and not calls:
        return Turn(index, None, "", "not_a_turn")
    role, text = role_of(item["role"]), text_of(item.get("content"))
    if role is None:
        return Turn(index, None, text or "", "unknown_role")
    if calls:
        called = json.dumps(calls, ensure_ascii=False, default=str)
        return Turn(index, "tool", (text or "") + called, train=flag_of(item), is_call=not text)
    if text is None:
        return Turn(index, role, "", "not_text")
    return Turn(index, role, text, train=flag_of(item))


def _items(value: dict[str, object]) -> list[object] | None:
    messages = value.get("messages")
    if isinstance(messages, list):
        return messages
    for key in _KEYS[1:]:
        items = value.get(key)
        if isinstance(items, list) and any(isinstance(item, dict) and "role" in item for item in items):
            return items
    return None
