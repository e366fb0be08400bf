"""ChatGPT pages saved from a browser: the user's words as text, the replies as the HTML that the cleaner reads."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from data_tools.readers.turns import bad_record, id_of, record_of, role_of
from data_tools.records import RawRecord, Record, Turn

# Since 2024 each message says whose it is. Before, each turn is a row over the page's width.
_MESSAGE = "[data-message-author-role]"
_ROW = "div.group.w-full"
_REPLY = ".markdown"
_TEXT = ".whitespace-pre-wrap"
# A code interpreter's work within a row of 2023.
_WORK = "div.flex.flex-col.items-start:not(.whitespace-pre-wrap)"
# Elements that stay open until they are closed; a parser needs time of the square of how deep they stand.
_TAG = re.compile(
    r"<(/?)(?!(?:p|li|td|th|tr|br|hr|img|input|meta|link|source|col|wbr|path|option)\b)[a-z][^<>]*?(/?)>", re.I
)
_DEEPEST = 1000


def holds(page: str) -> bool:
    """Whether a text is a page with a ChatGPT conversation in it."""
    return "data-message-author-role" in page or ("whitespace-pre-wrap" in page and "markdown" in page)


def parse(raw: RawRecord) -> list[Record]:
    """The one conversation of a page; its id is made of the file's name. A tool's work is a tool's turn."""
    page = str(raw.value)
    if _is_deep(page):
        return [bad_record(raw, "nested_too_deeply", id_of(raw, {}))]
    tree = LexborHTMLParser(page)
    turns: list[Turn] = []
    messages = _outermost(tree, _MESSAGE)
    for message in messages:
        turns += _message(message, len(turns))
    for row in [] if messages else _outermost(tree, _ROW):
        turns += _row(row, len(turns))
    return [record_of(raw, turns, id_of(raw, {}))]


def _is_deep(page: str) -> bool:
    depth = 0
    for closing, alone in _TAG.findall(page):
        depth += -1 if closing else 0 if alone else 1
        if depth > _DEEPEST:
            return True
    return False


def _message(message: LexborNode, index: int) -> list[Turn]:
    role = role_of(message.attributes.get("data-message-author-role"))
    if role == "assistant":
        return [Turn(index + n, role, html) for n, html in enumerate(_replies(message))]
    return [Turn(index, role, _shown(message), "" if role else "unknown_role")]


def _row(row: LexborNode, index: int) -> list[Turn]:
    if row.css_first(_REPLY) is None:
        words = row.css_first(_TEXT)
        return [] if words is None else [Turn(index, "user", _shown(words))]
    turns: list[Turn] = []
    for part in _outermost(row, f"{_TEXT}, {_WORK}"):
        if "whitespace-pre-wrap" in (part.attributes.get("class") or ""):
            turns += [Turn(index + len(turns) + n, "assistant", html) for n, html in enumerate(_replies(part))]
        elif part.css_first(_REPLY) is not None:
            turns.append(Turn(index + len(turns), "tool", part.text().strip()))
    return turns


def _replies(node: LexborNode) -> list[str]:
    """The rendered markdown of a message; of one that has none (an error of the page) its text."""
    return [reply.html or "" for reply in _outermost(node, _REPLY)] or [_shown(node)]


def _shown(node: LexborNode) -> str:
    """The text as written; names of files that were handed in stand in lines before it."""
    names: list[str] = []
    for box in node.css("div.flex-wrap"):
        if box.css_first(".truncate") is not None:
            names.append(box.text().strip())
            box.decompose()
    return "\n\n".join([*names, node.text().strip()])


def _outermost(node: LexborNode | LexborHTMLParser, selector: str) -> list[LexborNode]:
    """The nodes below that match and stand in no other one that does, in their order on the page."""
    own = node.mem_id if isinstance(node, LexborNode) else None
    found = {one.mem_id: one for one in node.css(selector) if one.mem_id != own}
    kept, kept_ids = [], set[int]()
    for one in found.values():
        parent = one.parent
        while parent is not None and parent.mem_id != own and parent.mem_id not in kept_ids:
            parent = parent.parent
        if parent is None or parent.mem_id == own:
            kept.append(one)
            kept_ids.add(one.mem_id)
    return kept
