"""Which format a value has, told by its shape, and who reads it."""

from collections.abc import Callable
from typing import NamedTuple

from data_tools.readers import (
    alpaca,
    chatgpt_export,
    chatgpt_page,
    fastchat_log,
    marked_text,
    messages,
    openassistant,
    pairs,
    sharegpt,
)
from data_tools.readers.turns import bad_record, id_of
from data_tools.records import Branches, RawRecord, Record


class _Reader(NamedTuple):
    """Whether an object is of a format, and the conversations that it holds."""

    holds: Callable[[dict[str, object]], bool]
    parse: Callable[[RawRecord, dict[str, object], Branches], list[Record]]


# In this order: the first that holds an object reads it.
_READERS = {
    "sharegpt": _Reader(sharegpt.holds, sharegpt.parse),
    "chatgpt-export": _Reader(chatgpt_export.holds, chatgpt_export.parse),
    "openassistant": _Reader(openassistant.holds, openassistant.parse),
    "fastchat-log": _Reader(fastchat_log.holds, fastchat_log.parse),
    "messages": _Reader(messages.holds, messages.parse),
    "pairs": _Reader(pairs.holds, pairs.parse),
    "alpaca": _Reader(alpaca.holds, alpaca.parse),
    "marked-text": _Reader(marked_text.holds, marked_text.parse),
}
PAGE = "chatgpt-page"


def format_of(value: object) -> str:
    """The format of a value, or nothing where it holds no conversation.

    >>> format_of({"instruction": "Add 2 and 2.", "output": "4"}), format_of({"question": "2 + 2?"})
    ('alpaca', '')
    """
    if isinstance(value, str):
        return PAGE if chatgpt_page.holds(value) else ""
    if not isinstance(value, dict):
        return ""
    return next((name for name, reader in _READERS.items() if reader.holds(value)), "")


def parse(raw: RawRecord, *, branches: Branches = "main") -> list[Record]:
    """The conversations of a raw record, mostly one; what cannot be read becomes a rejected turn.

    Rules of a whole record: `not_an_object`, `no_conversations`, and those that the reader found (`RawRecord.rule`);
    rules of one turn stand with the formats.

    >>> [turn.text for turn in parse(RawRecord("a.json", 0, {"instruction": "Add 2 and 2.", "output": "4"}))[0].turns]
    ['Add 2 and 2.', '4']
    """
    value = raw.value
    name = raw.format or format_of(value)
    if isinstance(value, str) and name == PAGE and not raw.rule:
        return chatgpt_page.parse(raw)
    if not isinstance(value, dict):
        return [bad_record(raw, raw.rule or "not_an_object")]
    if name not in _READERS:
        return [bad_record(raw, raw.rule or "no_conversations", id_of(raw, value))]
    records = _READERS[name].parse(raw, value, branches)
    for record in records:
        if raw.rule:
            record.reject(raw.rule)
        for turn in record.turns if raw.joined else ():
            turn.joined = turn.index >= raw.own_turns
    return records
