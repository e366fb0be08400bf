"""ChatGPT's data export: `conversations.json`, where each conversation is a tree of messages."""

from data_tools.readers.branching import path_to, records_of
from data_tools.readers.turns import id_of, role_of
from data_tools.records import Branches, RawRecord, Record, Turn

# Kinds of content that a model wrote for itself.
_THOUGHTS = ("thoughts", "reasoning_recap")


def holds(value: dict[str, object]) -> bool:
    """Whether a value is of this format."""
    return isinstance(value.get("mapping"), dict)


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """The path to `current_node`, or all paths; a turn's index is its node's place in the file.

    Calls and answers of tools are tool turns. Rules: `hidden_message`, `weight_0`, `reasoning`, `not_text` (images,
    files), `unknown_role`, `not_a_turn` (a node without a readable message), `other_branch`.
    """
    mapping = value.get("mapping")
    nodes = {
        key: node for key, node in (mapping.items() if isinstance(mapping, dict) else ()) if isinstance(node, dict)
    }
    places = {key: place for place, key in enumerate(nodes)}
    parents = {key: parent if isinstance(parent := node.get("parent"), str) else None for key, node in nodes.items()}

    def turn_of(key: str) -> Turn | None:
        message = nodes[key].get("message")
        return None if message is None else _turn(places[key], message)

    main = path_to(_current(value, nodes, parents), parents) if nodes else []
    return records_of(raw, main, parents, turn_of=turn_of, record_id=id_of(raw, value), branches=branches)


def _current(value: dict[str, object], nodes: dict[str, dict[str, object]], parents: dict[str, str | None]) -> str:
    """The node that was shown last; where it is missing, the last leaf of the file."""
    current = value.get("current_node")
    if isinstance(current, str) and current in nodes:
        return current
    inner = set(parents.values())
    return next((key for key in reversed(nodes) if key not in inner), next(reversed(nodes)))


def _turn(place: int, message: object) -> Turn:
    author = message.get("author") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(author, dict):
        return Turn(place, None, "", "not_a_turn")
    role, text = role_of(author.get("role")), _text(message.get("content"))
    if role == "assistant" and message.get("recipient") not in (None, "all"):
        role = "tool"  # it calls one
    return Turn(place, role, text or "", _rule(message, text) or ("" if role else "unknown_role"))


def _rule(message: dict[str, object], text: str | None) -> str:
    metadata, content = message.get("metadata"), message.get("content")
    if isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation"):
        return "hidden_message"
    if isinstance(content, dict) and content.get("content_type") in _THOUGHTS:
        return "reasoning"
    if message.get("weight") == 0:
        return "weight_0"
    return "" if text is not None else "not_text"


def _text(content: object) -> str | None:
    """The text of a message's content: its parts, or the text or result of code and of tools."""
    if not isinstance(content, dict):
        return None
    parts = content.get("parts")
    if isinstance(parts, list):
        texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
        said = [text for text in texts if isinstance(text, str)]
        return "\n\n".join(said) if len(said) == len(texts) else None
    text = content.get("text", content.get("result"))
    return text if isinstance(text, str) else None
