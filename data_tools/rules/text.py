"""Cleaning rules: small, named, versioned, applied in a stated order, each counted.

User turns are literal text: tags in them are content. Cleaning twice equals cleaning once.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from data_tools.records import Record
from data_tools.rules.characters import (
    control_characters,
    line_endings,
    lone_surrogates,
    symbol_bullets,
    zero_width,
)
from data_tools.rules.html_markdown import is_html, to_markdown
from templates import Role

_ANYONE: tuple[Role, ...] = ("system", "user", "assistant", "tool")

# A counter that the page shows beside an edited message: at the start nothing but the text follows it ("2 / 2I want"),
# so a space ("1 / 2 of people"), a digit, an operator or a single letter ("1 / 2x = 3") leaves it alone.
_COUNTER_BEFORE = re.compile(r"\s*(\d{1,3}) / (\d{1,3})(?=\n|\Z|I\b|[^\W\d_]{2}|[^\x00-\x7f]|[\"'`#<\[{(@/$!?&])")
_COUNTER_AFTER = re.compile(r"\n[ \t]*(\d{1,3}) / (\d{1,3})\s*\Z")
_SHARE_PROMPT = "Share Prompt"
_COPY_COUNTS = re.compile(r"[ \t]*Copy\d+ chars / \d+ words[ \t]*$", re.MULTILINE)
_COPY_CODE = re.compile(r"^[ \t]*Copy code[ \t]*(?:\n|\Z)|(?<=^```)(\w*)Copy code[ \t]*$", re.MULTILINE)
_REFUSALS = re.compile(
    r"!?Too many requests in \d+ hours?\. Try again later\.|!?network error|!?Something went wrong.{0,200}"
    r"|!?An error occurred\. If this issue persists please contact us through our help center at help\.openai\.com\.?"
    r"|!?Hmm\.\.\.something seems to have gone wrong\. Maybe try me again in a little bit\."
    r"|!?The server experienced an error while processing your request\.?.{0,200}"
    r"|!?The server had an error while processing your request.{0,200}"
    r"|!?Conversation not found|!?Only one message at a time\. Please allow any other responses to complete.{0,120}",
    re.IGNORECASE,
)


def variant_counter(text: str) -> str:
    """Drop the page's variant counter.

    >>> variant_counter("2 / 2I want a plan"), variant_counter("1 / 2 of people agree")
    ('I want a plan', '1 / 2 of people agree')
    """
    for pattern in (_COUNTER_BEFORE, _COUNTER_AFTER):
        found = pattern.search(text) if pattern is _COUNTER_AFTER else pattern.match(text)
        if found and 1 <= int(found[1]) <= int(found[2]):
            text = text[: found.start()] + text[found.end() :]
    return text


def interface_debris(text: str) -> str:
    """Drop the words of buttons that were copied with the text.

    >>> interface_debris("continueShare Prompt"), interface_debris("A poem.\\nCopy120 chars / 20 words")
    ('continue', 'A poem.\\n')
    """
    if "Copy" in text:
        text = _COPY_COUNTS.sub("", text)
        text = _COPY_CODE.sub(r"\1", text)
    return _without_share_prompt(text) if _SHARE_PROMPT in text else text


def _without_share_prompt(text: str) -> str:
    end = len(text.rstrip())
    if not text.endswith(_SHARE_PROMPT, 0, end):
        return text
    while text.endswith(_SHARE_PROMPT, 0, end):
        end -= len(_SHARE_PROMPT)
        while end and text[end - 1].isspace():
            end -= 1
    # "continue" alone is what a user asked; on a line of its own below other text it is the label of a button.
    above, _, last = text[:end].rpartition("\n")
    return above if last.strip() == "continue" and above.strip() else text[:end]


def html_reply(text: str) -> str:
    """Turn a reply that is rendered HTML back to markdown; markdown passes unchanged."""
    return to_markdown(text) if text.lstrip()[:1] == "<" and is_html(text) else text


def outer_whitespace(text: str) -> str:
    """Drop whitespace before and after the text."""
    return text.strip()


class Rule(NamedTuple):
    """A cleaning rule. `version` is raised whenever the rule's result changes; the manifest records it."""

    name: str
    version: int
    roles: tuple[Role, ...]
    function: Callable[[str], str]


RULES = (
    Rule("line_endings", 1, _ANYONE, line_endings),
    Rule("lone_surrogates", 1, _ANYONE, lone_surrogates),
    Rule("control_characters", 1, _ANYONE, control_characters),
    Rule("zero_width", 1, _ANYONE, zero_width),
    Rule("symbol_bullets", 1, _ANYONE, symbol_bullets),
    Rule("interface_debris", 1, ("user", "assistant"), interface_debris),
    Rule("variant_counter", 1, ("user",), variant_counter),
    Rule("html_reply", 1, ("assistant",), html_reply),
    Rule("outer_whitespace", 1, _ANYONE, outer_whitespace),
)
_RULES_OF = {role: [rule for rule in RULES if role in rule.roles] for role in _ANYONE}


def clean_text(text: str, role: Role) -> tuple[str, set[str]]:
    """The cleaned text of a turn and the names of the rules that changed it.

    The rules run until none finds anything, since one may lay bare what another looks for.
    """
    changed: set[str] = set()
    while True:
        before = text
        for rule in _RULES_OF[role]:
            result = rule.function(text)
            if result != text:
                changed.add(rule.name)
                text = result
        if text == before:
            return text, changed


def clean_record(record: Record) -> Counter[str]:
    """Clean a record's turns in place; a reply that is an error of the page is rejected as `refused_by_interface`.

    Returns how many turns each rule changed.
    """
    counts: Counter[str] = Counter()
    for turn in record.turns:
        if turn.role is None or turn.rule:
            continue
        turn.text, changed = clean_text(turn.text, turn.role)
        counts.update(changed)
        if turn.role == "assistant" and _REFUSALS.fullmatch(turn.text):
            turn.rule = "refused_by_interface"
    return counts
