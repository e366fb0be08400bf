"""Held-out conversations as prompts: every message that asks for a reply, with what stands before it."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from templates import InputError, Message, as_messages


def read_prompts(path: Path, *, limit: int) -> list[list[Message]]:
    """The first `limit` prompts of a conversations file, opening prompts before those further into a conversation.

    Raises InputError where the file is missing, is not JSON Lines of conversations, or holds no prompt.

    >>> read_prompts(Path("data/conversations/held_out.jsonl"), limit=2)
    [[Message(role='user', content='Hi', train=None)], [Message(role='user', content='What is a prime?', ...)]]
    """
    prompts = [prompt for _, messages in _read(path) for prompt in _prompts_in(messages)]
    if not prompts:
        raise InputError(f"{path}: no message asks for a reply; prepare the data with a larger --held-out")
    return [prompt for _, prompt in sorted(prompts, key=lambda item: item[0])][:limit]


def read_conversations(path: Path, *, limit: int | None = None) -> list[tuple[str, list[Message]]]:
    """The first conversations of a file with their ids. Raises InputError as `read_prompts` does."""
    conversations = list(islice(_read(path), limit))
    if not conversations:
        raise InputError(f"{path}: holds no conversation; prepare the data with a larger --held-out")
    return conversations


def _read(path: Path) -> Iterator[tuple[str, list[Message]]]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; `chaku data prepare` writes conversations/held_out.jsonl")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                if "tools" in record or any("tool_calls" in message for message in record["messages"]):
                    continue  # a prompt of text alone would ask for something else
                yield str(record.get("id", number)), list(as_messages(record["messages"]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(f"{path}, line {number}: not a conversation ({error}); see docs/data.md") from error


def _prompts_in(messages: list[Message]) -> Iterator[tuple[int, list[Message]]]:
    """Each prompt with the number of replies that stand before it."""
    replies = 0
    for turn, message in enumerate(messages):
        if message.role == "assistant":
            yield replies, messages[:turn]
            replies += 1
