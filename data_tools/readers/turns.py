"""What the readers of all formats share: spellings of roles, texts in parts, train flags, ids."""

import json
from pathlib import PurePath

from data_tools.records import RawRecord, Record, Turn
from templates import Role

ROLE_SPELLINGS: dict[str, Role] = {
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "assistant", "bing", "bard", "model", "bot", "ai"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "observation", "function_call", "function_response", "function"), "tool"),
}
_ID_KEYS = ("id", "conversation_id", "conv_id", "message_tree_id")
_LONGEST_ID = 200


def role_of(spelling: object) -> Role | None:
    """The role that a spelling stands for.

    >>> role_of(" Human"), role_of("narrator")
    ('user', None)
    """
    if not isinstance(spelling, str):
        return None
    return ROLE_SPELLINGS.get(spelling) or ROLE_SPELLINGS.get(spelling.strip().lower())


def text_of(content: object) -> str | None:
    """A text, or the texts of a list of parts where each part is one; None where something else is among them.

    >>> text_of([{"type": "text", "text": "Look: "}, "this"]), text_of([{"type": "image_url"}])
    ('Look: this', None)
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if len(said) == len(texts) else None


def flag_of(item: dict[str, object]) -> bool | None:
    """Whether a turn says that it carries loss: `train`, or OpenAI's `weight` of 0 or 1."""
    train = item.get("train")
    if isinstance(train, bool):
        return train
    weight = item.get("weight")
    return bool(weight) if isinstance(weight, (int, float)) and weight in (0, 1) else None


def plain(text: str) -> str:
    """Text that UTF-8 can write: halves of surrogate pairs are replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def id_of(raw: RawRecord, value: dict[str, object]) -> str:
    """The record's own id, or one made of its file and index."""
    given = next((value[key] for key in _ID_KEYS if value.get(key)), None)
    if isinstance(given, (str, int)) and not isinstance(given, bool):
        return plain(str(given)[:_LONGEST_ID])
    return f"{PurePath(raw.file).stem}#{raw.index}"


def is_call(spelling: object) -> bool:
    """Whether the role is that of a call of a tool."""
    return isinstance(spelling, str) and spelling.strip().lower() == "function_call"


def record_of(raw: RawRecord, turns: list[Turn], record_id: str) -> Record:
    """The record of some turns; where there are none, a rejected one."""
    return Record(record_id, raw.file, raw.index, turns) if turns else bad_record(raw, "no_conversations", record_id)


def bad_record(raw: RawRecord, rule: str, record_id: str = "") -> Record:
    """A record that is rejected as a whole: one turn of no role, with the beginning of what could not be read."""
    text = raw.value[:2000] if isinstance(raw.value, str) else ""
    name = record_id or (f"line {raw.line}" if raw.line else "")
    return Record(name, raw.file, raw.index, [Turn(-1, None, text, rule)])


def system_turns(value: dict[str, object]) -> list[Turn]:
    """The turns that a record's `system` and `tools` keys make; definitions are rejected until they get a place."""
    turns = []
    system, tools = value.get("system"), value.get("tools")
    if isinstance(system, str) and system:
        turns.append(Turn(-1, "system", system))
    if tools and tools != "[]":
        text = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False, default=str)
        turns.append(Turn(-2, None, text, "tools_definition"))
    return turns
