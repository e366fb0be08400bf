"""The blocks of markdown: headings, items of lists, fenced code, tables."""

import re
from collections.abc import Sequence

from data_tools.rules.markdown_inline import attribute

_LANGUAGE = re.compile(r"\blang(?:uage)?-([^\s\"]*)")
_BACKTICKS = re.compile(r"^ *(`{3,})", re.MULTILINE)
_HEADER_BUTTONS = ("Copy code", "Copied!", "Copy", "Edit")
_LINE_START = re.compile(r"\n(?=[^\n])")
_NEWLINE = "\n"


def heading(level: str, text: str) -> str:
    """A heading, on one line."""
    return f"{'#' * int(level)} {text.replace(_NEWLINE, ' ')}"


def list_item(text: str, number: int | None, *, indented: bool = True) -> str:
    """An item, of an ordered list where it has a number: the marker, each further line indented by its width.

    >>> list_item("One\\ntwo", 3), list_item("", None)
    ('3. One\\n   two', '-')
    """
    marker = "- " if number is None else f"{number}. "
    if indented and "\n" in text:
        text = _LINE_START.sub("\n" + " " * len(marker), text)
    return (marker + text).rstrip()


def language_of(attributes: str) -> str:
    """The language that the class of a `<code>` names, or nothing.

    >>> language_of(' class="hljs language-python"')
    'python'
    """
    found = _LANGUAGE.search(attributes)
    return found[1] if found else ""


def fenced(code: str, *, language: str, header: str) -> str:
    """Code in a fence that its own backticks cannot end. The header names the language where the class does not."""
    if not language:
        name = _without_buttons(header)
        language = name if len(name.split()) == 1 else ""
    longest = [len(run) + 1 for run in _BACKTICKS.findall(code)] if "```" in code else []
    ticks = "`" * max([3, *longest])
    return f"{ticks}{language}\n{code.rstrip(_NEWLINE)}\n{ticks}"


def _without_buttons(header: str) -> str:
    """What a code block's header says beside the labels of its buttons."""
    name = header.strip()
    while button := next((label for label in _HEADER_BUTTONS if name.endswith(label)), ""):
        name = name.removesuffix(button).rstrip()
    return name


def table(rows: Sequence[list[str]], rules: list[str]) -> str:
    """Rows of cells, the first the header; `rules` align its columns."""
    width = max(map(len, rows))
    rules = (rules + ["---"] * width)[:width]
    padded = [row + [""] * (width - len(row)) for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (padded[0], rules, *padded[1:]))


def table_cell(text: str) -> str:
    """A cell's text: its bars escaped, its lines broken as HTML."""
    return text.replace("|", "\\|").replace("\n", "<br>")


def column_rule(attributes: str) -> str:
    """The alignment that a header cell's attributes ask for."""
    alignment = attribute(attributes, "align") or attribute(attributes, "style").replace(" ", "").removeprefix(
        "text-align:"
    ).rstrip(";")
    return {"left": ":---", "center": ":---:", "right": "---:"}.get(alignment, "---")
