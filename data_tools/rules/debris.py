"""Cleaning rules for what a page showed around a message: counters and the words of buttons."""

import re

from data_tools.rules.searching import holds

# A counter that the page shows beside an edited message: at the start nothing but the text follows it ("2 / 2I want"),
# so a space ("1 / 2 of people"), a digit, an operator or a single letter ("1 / 2x = 3") leaves it alone.
_COUNTER_BEFORE = re.compile(r"\s*(\d{1,3}) / (\d{1,3})(?=\n|\Z|I\b|[^\W\d_]{2}|[^\x00-\x7f]|[\"'`#<\[{(@/$!?&])")
_COUNTER_ALONE = re.compile(r"\n[ \t]*(\d{1,3}) / (\d{1,3})[ \t]*")
_SHARE_PROMPT = "Share Prompt"
# Where "Copy code" ends no line, as in a page's buttons, the slower pattern need not look.
_COPY_CODE_ENDS = re.compile(r"Copy code[ \t]*$", re.MULTILINE)
# Each begins at a word, never at the spaces before it, so that a long run of spaces is read once.
_COPY_COUNTS = re.compile(r"Copy\d{1,9} chars / \d{1,9} words[ \t]*$", re.MULTILINE)
_COPY_CODE = re.compile(r"^[ \t]*Copy code[ \t]*(?:\n|\Z)|(?<=^```)(\w*)Copy code[ \t]*$", re.MULTILINE)


def variant_counter(text: str) -> str:
    """Drop the page's variant counter.

    >>> variant_counter("2 / 2I want a plan"), variant_counter("1 / 2 of people agree")
    ('I want a plan', '1 / 2 of people agree')
    """
    if not holds(text, " / "):
        return text
    start, end = 0, len(text)
    while (found := _COUNTER_BEFORE.match(text, start)) and 1 <= int(found[1]) <= int(found[2]):
        start = found.end()
    while (found := _COUNTER_ALONE.fullmatch(text, max(start, text.rfind("\n", start, end)), end)) and (
        1 <= int(found[1]) <= int(found[2])
    ):
        end = found.start()
        while end > start and text[end - 1].isspace():
            end -= 1
    return text[start:end] if end - start < len(text) else text


def interface_debris(text: str) -> str:
    """Drop the words of buttons that were copied with the text.

    >>> interface_debris("continueShare Prompt"), interface_debris("A poem.\\nCopy120 chars / 20 words")
    ('continue', 'A poem.\\n')
    """
    if holds(text, "Copy"):
        text = _COPY_COUNTS.sub("", text) if " chars / " in text else text
        text = _COPY_CODE.sub(r"\1", text) if _COPY_CODE_ENDS.search(text) else text
    return _without_share_prompt(text) if text.rstrip().endswith(_SHARE_PROMPT) else text


def _without_share_prompt(text: str) -> str:
    end = len(text.rstrip())
    while text.endswith(_SHARE_PROMPT, 0, end):
        end -= len(_SHARE_PROMPT)
        while end and text[end - 1].isspace():
            end -= 1
    # "continue" alone is what a user asked; on a line of its own below other text it is the label of a button.
    above, _, last = text[:end].rpartition("\n")
    return above if last.strip() == "continue" and above.strip() else text[:end]
