"""A rendered reply in which nothing is nested but items, cells and code in their blocks: as most are.

A parser would read it as one pattern a block does, so it need not be parsed, written out and read again.
"""

import re

from data_tools.rules.markdown_blocks import fenced, heading, language_of, list_item, table, table_cell
from data_tools.rules.markdown_inline import RUN, as_text, tidy, unescaped
from templates.conversation import has_surrogate

_ATTRIBUTES = r'(?: [a-z-]++="[^"<>&]*+")*+'
_ITEM = rf"<li>(?:\n?<p>(?:{RUN})*+</p>\n?|(?:{RUN})*+)</li>\n?"
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
    r"|(.+)",
    re.DOTALL,
)
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
    blocks = [_block(found) for found in _BLOCK.findall(html, opening.end(), end)]
    return None if None in blocks else "\n\n".join(filter(None, blocks))


def _block(found: tuple[str, ...]) -> str | None:
    """The markdown of what the pattern found; None where that is no block."""
    text, kind, start, items, level, title, pre, bar, attributes, code, head, rows, line, other = found
    if kind:
        return _list(items, number=int(start or 1) if kind == "ol" else None)
    if level:
        return _heading(level, title)
    if pre:
        return _code(bar, attributes, code)
    if head:
        return _table(head, rows)
    if line:
        return "---"
    return None if other else tidy(as_text(text))


def _list(items: str, *, number: int | None) -> str:
    """A list of items, blank lines between them where one holds a paragraph."""
    written, gap = [], "\n"
    for item in _BETWEEN_ITEMS.split(items.strip("\n")[len("<li>") : -len("</li>")]):
        is_paragraph = "<p>" in item
        text = tidy(as_text(item.strip("\n")[len("<p>") : -len("</p>")] if is_paragraph else item))
        gap = "\n\n" if is_paragraph and text else gap
        written.append(list_item(text, number))
        number = number if number is None else number + 1
    return gap.join(written)


def _heading(level: str, title: str) -> str:
    text = tidy(as_text(title))
    return heading(level, text) if text else ""


def _code(bar: str, attributes: str, code: str) -> str:
    shown = _COLOUR.sub("", code) if "<" in code else code
    return fenced(unescaped(shown), language=language_of(attributes), header=unescaped(bar))


def _table(head: str, rows: str) -> str:
    lines = [head, *rows.split("</tr>")[:-1]]
    cells = [[table_cell(tidy(as_text(text))) for text in _CELL.findall(line)] for line in lines]
    return table(cells, ["---"] * len(cells[0]))


def _has_uncommon(html: str) -> bool:
    """Whether it holds characters that a parser drops or changes, or references that it may read otherwise."""
    if "\r" in html or "\0" in html or ("&" in html and "&#" in html and _BY_NUMBER.search(html)):
        return True
    return has_surrogate(html)
