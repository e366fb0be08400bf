"""A rendered reply in which nothing is nested but items, cells and code in their blocks: as most are.

A parser would read it as one pattern a block does, so it need not be parsed, written out and read again.
"""

import re
from collections.abc import Callable
from itertools import count, repeat
from typing import TypeAlias

from data_tools.rules.markdown_blocks import fenced, heading, language_of, list_item, table, table_cell
from data_tools.rules.markdown_inline import RUN, as_text, tidy, unescaped
from data_tools.rules.searching import holds, holds_any
from templates.conversation import has_surrogate

Written: TypeAlias = Callable[[str], str]

_ATTRIBUTES = r'(?: [a-z-]++="[^"<>&]*+")*+'
_ITEM = rf"<li>(?:\n?<p>(?:{RUN})*+</p>\n?|(?:{RUN})*+)</li>\n?"
_SHORT = rf"<li>(?:{RUN})*+</li>\n?"
# An item, perhaps with a list of such items in it.
_NESTING = rf"<li>(?:{RUN})*+(?:<ul>\n?(?:{_SHORT})++</ul>\n?|<ol>\n?(?:{_SHORT})++</ol>\n?)?+</li>\n?"
_ROW = rf"<tr>\n?(?:(?:<td>(?:{RUN})*+</td>|<th>(?:{RUN})*+</th>)\n?)++</tr>\n?"
_OPENING = re.compile(rf"[ \n]*+<div{_ATTRIBUTES}>[ \n]*+")
_CLOSING = "</div>"
# In one match a block. A code block has a bar with the language's name and a button; its words are coloured.
_BLOCK = re.compile(
    rf"<p>((?:{RUN})*+)</p>[ \n]*+"
    rf'|<(ul|ol)(?: start="(\d{{1,9}})")?+>\n?((?:{_ITEM})++)</\2>[ \n]*+'
    rf"|<h([1-6])>((?:{RUN})*+)</h\5>[ \n]*+"
    rf"|<(pre)><div{_ATTRIBUTES}><div{_ATTRIBUTES}><span{_ATTRIBUTES}>([^<]*+)</span>"
    rf"(?:<button{_ATTRIBUTES}>[^<]*+</button>)?+</div><div{_ATTRIBUTES}><code({_ATTRIBUTES})>"
    rf"((?:[^<]++|</?span{_ATTRIBUTES}>)*+)</code></div></div></pre>[ \n]*+"
    rf"|<table>\n?<thead>\n?({_ROW})</thead>\n?<tbody>\n?((?:{_ROW})*+)</tbody>\n?</table>[ \n]*+"
    r"|<(hr)(?: ?/)?>[ \n]*+"
    rf'|<(ul|ol)(?: start="(\d{{1,9}})")?+>\n?((?:{_NESTING})++)</\14>[ \n]*+'
    r"|(.+)",
    re.DOTALL,
)
_NESTED = re.compile(rf"<li>((?:{RUN})*+)(?:<([uo]l)>\n?((?:{_SHORT})++)</[uo]l>\n?)?+</li>\n?")
_CELL = re.compile(r"<t[hd]>(.*?)</t[hd]>", re.DOTALL)
_BETWEEN_ITEMS = re.compile(r"</li>\n?<li>")
_COLOUR = re.compile("</?span[^>]*>")
# References by number, of which a parser reads some otherwise than `unescape` does, but for the apostrophe's.
_BY_NUMBER = re.compile("&#(?!39;|x27;)")


def flat_markdown(html: str) -> str | None:
    """The markdown of such a reply; None where it is of another kind.

    >>> flat_markdown("<div><p>Two:</p><ol><li>One</li><li>Two</li></ol></div>"), flat_markdown("<div>Hi</div>")
    ('Two:\\n\\n1. One\\n2. Two', None)
    """
    opening, end = _OPENING.match(html), html.rfind(_CLOSING)
    if opening is None or html[end + len(_CLOSING) :].strip(" \n") or _has_uncommon(html):
        return None
    written = _spaced if _has_wide_space(html) else _single_spaced
    # most blocks are paragraphs, whose text is the pattern's first group
    blocks = [
        written(found[0]) if found[0] else _block(found, written) for found in _BLOCK.findall(html, opening.end(), end)
    ]
    return None if None in blocks else "\n\n".join(filter(None, blocks))


def _block(found: tuple[str, ...], written: Written) -> str | None:
    """The markdown of what the pattern found; None where that is no block. `written` gives the text of a run."""
    _, kind, start, items, level, title, pre, bar, attributes, code, head, rows, line = found[:13]
    outer, first, nesting, other = found[13:]
    if kind:
        return _list(items, written, number=int(start or 1) if kind == "ol" else None)
    if level:
        text = written(title)
        return heading(level, text) if text else ""
    if pre:
        return _code(bar, attributes, code)
    if head:
        return _table(head, rows, written)
    if outer:
        return _nested_list(nesting, written, number=int(first or 1) if outer == "ol" else None)
    return "---" if line else None if other else ""


def _spaced(run: str) -> str:
    return tidy(as_text(run))


def _single_spaced(run: str) -> str:
    text = as_text(run)
    return tidy(text) if "\n" in text else text.strip(" ")


def _list(items: str, written: Written, *, number: int | None) -> str:
    """A list of items, blank lines between them where one holds a paragraph."""
    texts, gap = [], "\n"
    for item in _BETWEEN_ITEMS.split(items.strip("\n")[len("<li>") : -len("</li>")]):
        is_paragraph = "<p>" in item
        text = written(item.strip("\n")[len("<p>") : -len("</p>")] if is_paragraph else item)
        gap = "\n\n" if is_paragraph and text else gap
        texts.append(text)
    return gap.join(_numbered(texts, number))


def _nested_list(items: str, written: Written, *, number: int | None) -> str:
    """A list of items, with lists in some of them."""
    texts = []
    for run, kind, inner in _NESTED.findall(items):
        below = _list(inner, written, number=1 if kind == "ol" else None) if inner else ""
        texts.append("\n".join(filter(None, (written(run), below))))
    return "\n".join(_numbered(texts, number))


def _numbered(texts: list[str], number: int | None) -> list[str]:
    return list(map(list_item, texts, repeat(None) if number is None else count(number)))


def _code(bar: str, attributes: str, code: str) -> str:
    shown = _COLOUR.sub("", code) if "<" in code else code
    return fenced(unescaped(shown), language=language_of(attributes), header=unescaped(bar))


def _table(head: str, rows: str, written: Written) -> str:
    lines = [head, *rows.split("</tr>")[:-1]]
    cells = [[table_cell(written(text)) for text in _CELL.findall(line)] for line in lines]
    return table(cells, ["---"] * len(cells[0]))


def _has_uncommon(html: str) -> bool:
    """Whether it holds characters that a parser drops or changes, or references that it may read otherwise."""
    by_number = holds(html, "&#") and _BY_NUMBER.search(html) is not None
    return by_number or holds_any(html, "\r\0") or has_surrogate(html)


def _has_wide_space(html: str) -> bool:
    """Whether there may be more than single spaces and line breaks between its words."""
    return holds(html, "  ") or holds_any(html, "\t\f") or holds(html, "&Tab")
