"""Conversations with tools, for templates that have a place for them: definitions and calls as OpenAI writes them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from data_tools.records import Record, Turn
from templates import Message

Data = Mapping[str, Any]

DEFINITION = "tools_definition"
# A question, calls with their answers, and the reply; the last call may still wait for its answer.
_EXCHANGES = re.compile(r"s?(?:u(?:ct+)*a)*(?:u(?:ct+)*[ac])")
_LETTERS = {"system": "s", "user": "u", "assistant": "a", "tool": "t"}


def repair_with_tools(record: Record) -> bool:
    """Fill a record's tools and messages where tools are offered or called in it; False where they are not.

    Also False, with nothing changed, where the turns do not follow each other as the models' formats have it (a
    question, calls each with an answer, a reply), where one of them was rejected, or where a definition or a call is
    not the JSON that it should be: such a record is repaired as one whose tools cannot be written.

    >>> turns = [("user", "2+2?"), ("tool", '{"name": "add", "arguments": {}}'), ("tool", "4"), ("assistant", "Four")]
    >>> record = Record("a", "dump.json", 0, [Turn(i, role, text) for i, (role, text) in enumerate(turns)])
    >>> record.turns[1].is_call = True
    >>> repair_with_tools(record), [message.role for message in record.messages]
    (True, ['user', 'assistant', 'tool', 'assistant'])
    """
    definitions = [at for at, turn in enumerate(record.turns) if turn.rule == DEFINITION]
    spoken = [at for at, turn in enumerate(record.turns) if turn.rule != DEFINITION]
    if not definitions and not any(turn.is_call for turn in record.turns):
        return False
    if any(record.turns[at].rule or not record.turns[at].text.strip() for at in spoken):
        return False
    end = _last_reply(record, spoken)
    if not _EXCHANGES.fullmatch("".join(_letter(record.turns[at]) for at in spoken[:end])):
        return False
    tools = [tool for at in definitions for tool in tools_of(record.turns[at].text)]
    messages = [_message(record.turns[at]) for at in spoken[:end]]
    if (definitions and not tools) or None in messages:
        return False
    for at in spoken[end:]:
        record.turns[at].rule = "trailing_question" if record.turns[at].role == "user" else "tool_turn"
    for at in definitions:
        record.turns[at].rule = ""
    record.tools = tuple(tools)
    record.messages = [message for message in messages if message]
    # the definitions stand in the prompt with the first message
    record.message_turns = [[*definitions, spoken[0]], *([at] for at in spoken[1:end])]
    return True


def tools_of(text: str) -> list[Data]:
    """The definitions in a JSON text, a list of functions or of OpenAI's tools; none where it is something else.

    >>> tools_of('[{"name": "add", "description": "Adds."}]')
    [{'type': 'function', 'function': {'name': 'add', 'description': 'Adds.'}}]
    """
    found = _parsed(text)
    given = [item.get("function", item) if isinstance(item, dict) else None for item in found]
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) and one["name"] for one in given):
        return []
    return [{"type": "function", "function": one} for one in given]


def calls_of(text: str) -> tuple[Data, ...]:
    """The calls in a JSON text, each with a name and arguments; none where it is something else.

    >>> calls_of('{"name": "add", "arguments": "{\\\\"x\\\\": 2}"}')
    ({'type': 'function', 'function': {'name': 'add', 'arguments': {'x': 2}}},)
    """
    calls = []
    for item in _parsed(text):
        function = item.get("function", item) if isinstance(item, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
            return ()
        arguments = function.get("arguments", {})
        [read] = _parsed(arguments) or [None] if isinstance(arguments, str) else [arguments]
        if not isinstance(read, dict):
            return ()
        calls.append({"type": "function", "function": {"name": function["name"], "arguments": read}})
    return tuple(calls)


def calls_as_json(calls: tuple[Data, ...]) -> str:
    """Calls as ShareGPT's dumps have them: one object, or a list of several.

    >>> calls_as_json(calls_of('[{"function": {"name": "add", "arguments": "{}"}}]'))
    '{"name": "add", "arguments": {}}'
    """
    functions = [call["function"] for call in calls]
    return json.dumps(functions[0] if len(functions) == 1 else functions, ensure_ascii=False)


def _parsed(text: str) -> list[Any]:
    """The items of a JSON list, or the one value; none where it is no JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else [found]


def _letter(turn: Turn) -> str:
    return "c" if turn.is_call else _LETTERS[turn.role or "tool"]


def _last_reply(record: Record, spoken: list[int]) -> int:
    """How many of the turns there are up to the last reply or call."""
    replies = [n for n, at in enumerate(spoken, 1) if _letter(record.turns[at]) in "ac"]
    return replies[-1] if replies else 0


def _message(turn: Turn) -> Message | None:
    """The message of a turn; None where a call cannot be read."""
    if not turn.is_call:
        return Message(role=turn.role or "tool", content=turn.text, train=turn.train)
    calls = calls_of(turn.text)
    return Message(role="assistant", content="", train=turn.train, tool_calls=calls) if calls else None
