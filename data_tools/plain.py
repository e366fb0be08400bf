"""Conversations as they came: read from any dump with nothing cleaned, written as JSON Lines."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data_tools.progress import Report
from data_tools.readers import input_files, parse, read_records
from data_tools.records import Branches, Record, Turn
from data_tools.rules.tools import DEFINITION, calls_of, tools_of

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_plain(
    paths: Sequence[Path], *, report: Report, format: str | None = None, branches: Branches = "main"
) -> Iterator[Record]:
    """The records of dumps, one by one, their texts untouched. Raises InputError as `read_records` does."""
    for path in paths:
        for raw in read_records(path, format=format, report=report):
            yield from parse(raw, branches=branches)


def readable_turns(record: Record) -> list[Turn]:
    """The turns that have a role and a text; the others carry the rule that says why they have none."""
    return [turn for turn in record.turns if turn.role and not turn.rule]


def as_messages(record: Record) -> dict[str, object]:
    """The OpenAI convention, with the dump's own train flags, calls of tools and their definitions where they are JSON.

    >>> as_messages(Record("a", "dump.json", 0, [Turn(0, "user", "Hi"), Turn(1, "assistant", "Yes?", train=False)]))
    {'id': 'a', 'messages': [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Yes?',
    'train': False}], 'source': 'dump.json#0'}
    """
    messages = []
    for turn in readable_turns(record):
        message: dict[str, object] = {"role": turn.role, "content": turn.text}
        if turn.is_call and (calls := calls_of(turn.text)):
            message = {"role": "assistant", "content": None, "tool_calls": list(map(_call, calls))}
        messages.append(message if turn.train is None else message | {"train": turn.train})
    tools = [tool for turn in definitions_in(record) for tool in tools_of(turn.text)]
    line: dict[str, object] = {"id": record.id, "messages": messages, "source": record.source}
    return line | {"tools": tools} if tools else line


def definitions_in(record: Record) -> list[Turn]:
    """The turn of a record that defines tools, if it has one."""
    return [turn for turn in record.turns if turn.rule == DEFINITION]


def _call(call: Mapping[str, Any]) -> dict[str, object]:
    """OpenAI writes the arguments as JSON within the JSON."""
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {"type": "function", "function": {"name": function["name"], "arguments": arguments}}


def json_line(value: object) -> str:
    """A value as a line of JSON Lines in UTF-8; halves of surrogate pairs, which UTF-8 has no bytes for, are escaped.

    >>> json_line({"id": "é", "text": "\\ud83d"})
    '{"id": "é", "text": "\\\\ud83d"}\\n'
    """
    line = json.dumps(value, ensure_ascii=False) + "\n"
    if line.isascii():
        return line
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def size_of(paths: Sequence[Path]) -> int:
    """The bytes of the files, for a progress bar."""
    return sum(file.stat().st_size for path in paths for file in input_files(path))
