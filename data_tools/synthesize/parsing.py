"""Reads what models answer: JSON where it was asked for, even half of it; else lists and labels, even without numbers.

Each function takes `cut`, whether the reply ran into its limit of tokens: its last item is then not whole, and dropped.
"""

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

_FENCE = re.compile(r"^```[\w-]*\s*\n(.*?)(?:\n```\s*$|\Z)", re.DOTALL)
_NUMBER = re.compile(
    r"^[ \t]*(?:\*\*|#+ *)?(?:(?:tasks?|instructions?|任务|指令)[ \t]*)?\(?\d{1,3}[ \t]*"
    r"[.)、：:．][ \t]*(?:\*\*)?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_BULLET = re.compile(r"^[ \t]*[-*•][ \t]+", re.MULTILINE)
_LABELS = {
    "instruction": "instruction", "task": "instruction", "指令": "instruction", "任务": "instruction",
    "input": "input", "输入": "input",
    "output": "output", "class label": "output", "answer": "output", "response": "output", "输出": "output",
}  # fmt: skip
_LABEL = re.compile(
    r"^[ \t>#*]*(?:\d{1,3}[ \t]*[.)、．][ \t*]*)?"
    r"(instruction|task|input|output|class label|answer|response|指令|任务|输入|输出)"
    r"[ \t]*\d{0,3}[ \t]*\**[ \t]*[:：][ \t]*\**[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_EXAMPLE = re.compile(r"^[ \t#*]*(?:example|例子|示例)[ \t]*\d*[ \t]*[.:：]?[ \t*]*$", re.IGNORECASE | re.MULTILINE)
_NO_INPUT = re.compile(r"[<\[(（]*(?:no ?input|none|n/?a|empty|not needed|无|无输入|空)[>\])）]*[.。]?", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "「": "」", "`": "`"}
_YES = re.compile(r"\W*(?:classification\W*|是否分类\W*)?(yes|no|是|否|不是)", re.IGNORECASE)
_SAME = re.compile(r"\W*(not equal|not the same|unequal|different|equal|the same|不相同|不同|相同)", re.IGNORECASE)
_HEADING = re.compile(
    r"^[#*\s]*(?:the\s+)?(?:(?:rewritten|new|created|harder|evolved)\s+)?(?:instruction|prompt|task)\s*\**\s*:\**\s*"
    r"|^[#*\s]*(?:改写后的|新的?)?(?:指令|任务)\**[:：]\**\s*",
    re.IGNORECASE,
)


class Task(NamedTuple):
    """A task as a model wrote it, not yet judged."""

    instruction: str
    input: str
    output: str


def instructions(text: str, *, cut: bool) -> list[str]:
    """The instructions of a JSON reply or of a list, numbered, with bullets, or a line each.

    >>> instructions("1. Name a bird.\\n2) Add 2\\nand 3.", cut=False)
    ['Name a bird.', 'Add 2 and 3.']
    >>> instructions('{"instructions": ["Name a bird.", "Add 2 an', cut=True)
    ['Name a bird.']
    """
    text = _without_fence(text)
    if text.lstrip().startswith(("{", "[")):
        return [" ".join(item.split()) for item in _json_items(text, "instructions") if isinstance(item, str)]
    for separator in (_NUMBER, _BULLET):
        if len(separator.findall(text)) > 1 or separator.match(text):
            # What stands before the first number is talk, unless the number was in the prompt.
            items = separator.split(text)
            items = items if separator.match(text) is None and not _is_talk(items[0]) else items[1:]
            break
    else:
        items = [line for line in text.splitlines() if not _is_talk(line)]
    items = [_unquoted(" ".join(item.split())) for item in items]
    return [item for item in (items[:-1] if cut else items) if item]


def tasks(text: str, *, cut: bool) -> list[Task]:
    """The tasks of a JSON reply, or of a text with Instruction, Input and Output in it.

    >>> tasks("4. Instruction: Add.\\n4. Input:\\n2, 3\\n4. Output:\\n5\\n###\\n5. Instruction: Na", cut=True)
    [Task(instruction='Add.', input='2, 3', output='5')]
    """
    text = _without_fence(text)
    if text.lstrip().startswith(("{", "[")):
        return [_task(item) for item in _json_items(text, "tasks") if isinstance(item, dict)]
    return [_task(group) for group in _groups(text, first=("instruction",), cut=cut)]


def instances(text: str, *, cut: bool, output_first: bool) -> list[tuple[str, str]]:
    """The (input, output) pairs of a reply.

    >>> instances("Example 1\\nInput: 2, 3\\nOutput: 5\\nExample 2\\nInput: N/A", cut=False, output_first=False)
    [('2, 3', '5'), ('', '')]
    """
    text = _without_fence(text)
    if text.lstrip().startswith(("{", "[")):
        pairs = [_task(item) for item in _json_items(text, "instances") if isinstance(item, dict)]
    else:
        first = ("output",) if output_first else ("input", "output")
        pairs = [_task(group) for group in _groups(_EXAMPLE.sub("", text), first=first, cut=cut)]
    return [(pair.input, pair.output) for pair in pairs]


def is_yes(text: str) -> bool | None:
    """Whether a reply says yes or no; None where it says neither.

    >>> is_yes("Yes."), is_yes("Classification: no"), is_yes("perhaps")
    (True, False, None)
    """
    found = _YES.match(text)
    return found[1].lower() in ("yes", "是") if found else None


def are_equal(text: str) -> bool | None:
    """Whether the judge calls two instructions equal; None where it says neither.

    >>> are_equal("Equal"), are_equal("**Not equal.**"), are_equal("They")
    (True, False, None)
    """
    found = _SAME.match(text)
    return found[1].lower() in ("equal", "the same", "相同") if found else None


def rewritten(text: str) -> str:
    """An instruction without what models put around it: a fence, a heading, quotation marks.

    >>> rewritten('#Rewritten Prompt#:\\n"Name two birds."'), rewritten("**New instruction:** Add 2 and 3.")
    ('Name two birds.', 'Add 2 and 3.')
    """
    text = text.strip()
    fenced = _FENCE.fullmatch(text)
    text = re.sub(r"^#+\s*([^#\n]+?)\s*#+\s*:?", r"\1:", fenced[1] if fenced else text)
    text = _HEADING.sub("", text, count=1).strip()
    return _unquoted(text.strip("-").strip())


def _without_fence(text: str) -> str:
    found = _FENCE.match(text.strip())
    return found[1] if found else text


def _is_talk(line: str) -> bool:
    """Whether a line leads up to a list instead of being of it."""
    return not line.strip() or line.strip().rstrip(" *").endswith((":", "："))


def _unquoted(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] else text


def _json_items(text: str, name: str) -> list[Any]:
    """The items of a JSON array, or of the array `name` in an object; of a text that breaks off, those that are whole.

    >>> _json_items('{"tasks": [{"a": 1}, {"a": ', "tasks")
    [{'a': 1}]
    """
    decoder = json.JSONDecoder(strict=False)
    try:
        value, _ = decoder.raw_decode(text.lstrip())
    except ValueError:
        return list(_whole_items(text, decoder))
    if isinstance(value, dict):
        value = value.get(name, [value])
    return value if isinstance(value, list) else []


def _whole_items(text: str, decoder: json.JSONDecoder) -> Iterator[Any]:
    at = text.find("[") + 1
    while at:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            item, at = decoder.raw_decode(text, at)
        except ValueError:
            return
        yield item


def _groups(text: str, *, first: tuple[str, ...], cut: bool) -> list[dict[str, str]]:
    """What stands behind each label, grouped: a label of `first`, or one that the group has, begins a new group."""
    text = re.sub(r"^[ \t]*#{2,}[ \t]*$", "", text, flags=re.MULTILINE)
    found = list(_LABEL.finditer(text))
    groups: list[dict[str, str]] = []
    if found and first == ("instruction",) and _LABELS[found[0][1].lower()] == "input":
        groups.append({"instruction": text[: found[0].start()].strip()})  # it goes on from "4. Instruction:"
    for match, following in zip_longest(found, found[1:]):
        label = _LABELS[match[1].lower()]
        if not groups or label in groups[-1] or (label in first and label == first[0]):
            groups.append({})
        groups[-1][label] = text[match.end() : following.start() if following else len(text)].strip()
    return groups[:-1] if cut else groups


def _task(fields: dict[str, Any]) -> Task:
    texts = (fields.get(name) for name in ("instruction", "input", "output"))
    instruction, given, output = (
        text.strip() if isinstance(text, str) else "" if text is None else json.dumps(text, ensure_ascii=False)
        for text in texts
    )
    return Task(" ".join(instruction.split()), "" if _NO_INPUT.fullmatch(given) else given, output)
