"""ShareGPT's records, in the spellings in use."""

from data_tools.readers import messages
from data_tools.readers.turns import flag_of, id_of, is_call, record_of, role_of, system_turns, text_of
from data_tools.records import Branches, RawRecord, Record, Turn


def holds(value: dict[str, object]) -> bool:
    """Whether a value is of this format."""
    return isinstance(value.get("conversations"), list)


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """One record. Turns that cannot be read are rejected alone: `not_a_turn`, `unknown_role`, `not_text`.

    >>> value = {"id": "a", "conversations": [{"from": "human", "value": "Hi"}, {"from": "narrator", "value": "x"}]}
    >>> [(turn.role, turn.rule) for turn in parse(RawRecord("a.json", 0, value, "sharegpt"), value, "main")[0].turns]
    [('user', ''), (None, 'unknown_role')]
    """
    items = value.get("conversations")
    turns = [_turn(index, item) for index, item in enumerate(items)] if isinstance(items, list) else []
    if turns:
        turns = system_turns(value) + turns
    return [record_of(raw, turns, id_of(raw, value))]


def _turn(index: int, item: object) -> Turn:
    if not isinstance(item, dict):
        return Turn(index, None, "", "not_a_turn")
    if "from" not in item:
        return messages.turn_of(index, {"content": item["value"], **item} if "value" in item else item)
    if item["from"] is None or not ("value" in item or "content" in item):
        return Turn(index, None, "", "not_a_turn")
    content = item["value"] if "value" in item else item["content"]
    role, text = role_of(item["from"]), content if isinstance(content, str) else text_of(content)
    if role is None:
        return Turn(index, None, text or "", "unknown_role")
    if text is None:
        return Turn(index, role, "", "not_text")
    flag = flag_of(item) if len(item) > 2 else None
    return Turn(index, role, text, train=flag, is_call=role == "tool" and is_call(item["from"]))
