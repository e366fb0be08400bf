"""OpenAssistant's message trees: a prompt with replies, which have replies in turn; ranked by people."""

from data_tools.readers.branching import path_to, records_of
from data_tools.readers.turns import id_of, role_of
from data_tools.records import Branches, RawRecord, Record, Turn

_UNRANKED = 1 << 30


def holds(value: dict[str, object]) -> bool:
    """Whether a value is of this format."""
    prompt = value.get("prompt")
    return isinstance(prompt, dict) and "text" in prompt and "role" in prompt


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """The path of the best replies, or all paths; a turn's index is its message's place in the file.

    Rules: `deleted`, `failed_review`, `not_text`, `unknown_role`, `not_a_turn`, `other_branch`.
    """
    nodes: dict[str, object] = {}
    parents: dict[str, str | None] = {}
    waiting: list[tuple[object, str | None]] = [(value.get("prompt"), None)]
    while waiting:
        node, parent = waiting.pop()
        key = str(len(nodes))
        nodes[key], parents[key] = node, parent
        waiting += [(reply, key) for reply in reversed(_replies(node))]

    def turn_of(key: str) -> Turn:
        return _turn(int(key), nodes[key])

    main = path_to(_best_leaf(nodes, parents), parents)
    return records_of(raw, main, parents, turn_of=turn_of, record_id=id_of(raw, value), branches=branches)


def _best_leaf(nodes: dict[str, object], parents: dict[str, str | None]) -> str:
    """Down from the prompt: an answer of the best rank, a question with an answer; the first where they are equal."""
    children: dict[str, list[str]] = {key: [] for key in nodes}
    for key, parent in parents.items():
        if parent is not None:
            children[parent].append(key)
    at = "0"
    while children[at]:
        at = min(children[at], key=lambda key: (not _usable(nodes[key]), _rank(nodes[key]), not children[key]))
    return at


def _usable(node: object) -> bool:
    return not _turn(0, node).rule


def _rank(node: object) -> int:
    rank = node.get("rank") if isinstance(node, dict) else None
    return rank if isinstance(rank, int) else _UNRANKED


def _replies(node: object) -> list[object]:
    replies = node.get("replies") if isinstance(node, dict) else None
    return replies if isinstance(replies, list) else []


def _turn(place: int, node: object) -> Turn:
    if not isinstance(node, dict) or node.get("role") is None:
        return Turn(place, None, "", "not_a_turn")
    role, text = role_of(node["role"]), node.get("text")
    rule = "" if isinstance(text, str) else "not_text"
    if role is None:
        rule = "unknown_role"
    if node.get("review_result") is False:
        rule = "failed_review"
    if node.get("deleted") is True:
        rule = "deleted"
    return Turn(place, role, text if isinstance(text, str) else "", rule)
