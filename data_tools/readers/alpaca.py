"""Alpaca's instructions, and relatives: `response` for `output`, `context` for `input`, `history`, `instances`."""

from data_tools.readers.turns import flag_of, id_of, record_of, system_turns
from data_tools.records import Branches, RawRecord, Record, Turn

_REPLIES = ("output", "response", "instances")


def holds(value: dict[str, object]) -> bool:
    """Whether a value is of this format."""
    return "instruction" in value and any(key in value for key in _REPLIES)


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """One record, or one for each of Self-Instruct's `instances`.

    >>> value = {"instruction": "Translate.", "input": "Hund", "output": "dog"}
    >>> [turn.text for turn in parse(RawRecord("a.json", 0, value, "alpaca"), value, "main")[0].turns]
    ['Translate.\\n\\nHund', 'dog']
    """
    if "instruction" not in value:
        return [record_of(raw, [], id_of(raw, value))]
    instances, record_id = value.get("instances"), id_of(raw, value)
    if not isinstance(instances, list) or not instances:
        return [record_of(raw, _turns(value), record_id)]
    names = [record_id] if len(instances) == 1 else [f"{record_id}_{n}" for n in range(len(instances))]
    return [
        record_of(raw, _turns(value | instance) if isinstance(instance, dict) else [], name)
        for name, instance in zip(names, instances, strict=True)
    ]


def _turns(value: dict[str, object]) -> list[Turn]:
    turns = system_turns(value)
    history = value.get("history")
    index = 0
    for pair in history if isinstance(history, list) else []:
        if isinstance(pair, (list, tuple)) and len(pair) == 2:
            turns += [_turn(index, pair[0], value), _turn(index + 1, pair[1], value)]
            turns[-2].role, turns[-1].role = "user", "assistant"
        else:
            turns.append(Turn(index, None, "", "not_a_turn"))
        index += 2
    question = _turn(index, _question(value), value)
    question.role, question.train = "user", None
    reply = _turn(index + 1, value.get("output", value.get("response")), value)
    return [*turns, question, reply]


def _turn(index: int, text: object, value: dict[str, object]) -> Turn:
    if not isinstance(text, str):
        return Turn(index, "assistant", "", "not_text")
    return Turn(index, "assistant", text, train=flag_of(value))


def _question(value: dict[str, object]) -> object:
    instruction, more = value["instruction"], value.get("input") or value.get("context")
    if not isinstance(instruction, str) or not isinstance(more, str):
        return instruction if not more else None
    return f"{instruction}\n\n{more}" if instruction else more
