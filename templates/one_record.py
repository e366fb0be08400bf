"""Reads one conversation of a file, for looking at: JSON Lines as `chaku data` writes them, or a JSON list."""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from templates.conversation import Conversation, as_messages
from templates.errors import InputError

_SHAREGPT_ROLES = {"human": "user", "gpt": "assistant"}
_NEXT_STEP = "`chaku data convert FILE --to messages --out conversations.jsonl` makes conversations of a dump"


def read_record(path: Path, number: int) -> Conversation:
    """The conversation ``{"id", "messages": [{"role", "content"}]}`` that is `number` in the file, counted from 0.

    ShareGPT's ``{"id", "conversations": [{"from", "value"}]}`` is read too, as it stands: nothing is cleaned.

    Of JSON Lines only that one is parsed, however large the file is. Raises InputError where the file cannot be read,
    has no such record, or the record is no conversation.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            return _conversation(_nth(file, path, number), source=f"{path}#{number}")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 ({error.reason}); convert it to UTF-8") from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); give a JSON Lines file of conversations"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, record {number}: not JSON ({error}); {_NEXT_STEP}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}, record {number}: not a conversation ({error}); {_NEXT_STEP}") from error


def _nth(file: TextIO, path: Path, number: int) -> object:
    # a blank line is no record; a file's lines end with "\n" alone, since a content may hold U+2028 as it is
    first = next(filter(str.strip, file), "")
    file.seek(0)
    is_list = first.lstrip().startswith("[")
    records: list[object] = json.load(file) if is_list else []
    count = len(records) if is_list else sum(1 for _ in filter(str.strip, file))
    if not 0 <= number < count:
        has = f"has the records 0 to {count - 1}" if count else "is empty"
        raise InputError(f"--record {number}: {path} {has}; give one that is there")
    if is_list:
        return records[number]
    file.seek(0)
    return json.loads(next(islice(filter(str.strip, file), number, None)))


def _conversation(record: object, *, source: str) -> Conversation:
    if not isinstance(record, dict) or not isinstance(record.get("messages", record.get("conversations")), list):
        raise TypeError('it is no {"id": ..., "messages": [...]}, nor ShareGPT\'s {"id": ..., "conversations": [...]}')
    turns = record.get("conversations", ())
    items: list[Any] = record["messages"] if "messages" in record else list(map(_as_message, turns))
    if not items or not all(isinstance(item, Mapping) for item in items):
        raise TypeError('"messages" holds no {"role": ..., "content": ...}')
    return Conversation(id=str(record.get("id", "")), messages=tuple(as_messages(items)), source=source)


def _as_message(turn: object) -> object:
    """A turn of ShareGPT as a message; what is no such turn as it is."""
    if not isinstance(turn, Mapping) or not {"from", "value"} <= turn.keys():
        return turn
    return {"role": _SHAREGPT_ROLES.get(turn["from"], turn["from"]), "content": turn["value"]}
