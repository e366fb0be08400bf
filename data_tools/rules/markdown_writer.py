"""Writes markdown from a stream of opening tags, texts and closing tags that a parser has made well-formed."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from data_tools.rules.markdown_inline import MARKS, Inline, attribute, tidy

_LANGUAGE = re.compile(r"\blang(?:uage)?-([^\s\"]*)")
_BACKTICKS = re.compile(r"^ *(`{3,})", re.MULTILINE)
_HEADER_BUTTONS = ("Copy code", "Copied!", "Copy", "Edit")
_LINE_START = re.compile(r"\n(?=[^\n])")
_CELLS = ("td", "th")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = (
    *("div", "section", "article", "header", "footer", "main", "aside", "nav", "address", "center", "body", "html"),
    *("figure", "figcaption", "details", "summary", "caption", "dl", "dt", "dd", "form", "fieldset"),
)
# Beyond any nesting that people write, containers add no more indentation, so that time stays linear.
_DEEPEST = 30
_NEWLINE = "\n"


@dataclass(slots=True)
class _Container:
    """An open list, item, quote or cell: its finished blocks. `loose`: it has paragraphs, so blank lines."""

    loose: bool = False
    number: int | None = None  # an ordered list's next number
    blocks: list[str] = field(default_factory=list)
    lists: set[int] = field(default_factory=set)  # which of the blocks are lists


@dataclass(slots=True)
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)  # the alignment of each column of the first row


@dataclass(slots=True)
class _CodeBlock:
    """A `<pre>`: what stands before its `<code>` is a header with the language's name and the text of buttons."""

    header: list[str] = field(default_factory=list)
    code: list[str] | None = None
    language: str = ""
    depth: int = 1  # of `<pre>` in `<pre>`

    def open(self, attributes: str) -> None:
        self.code = self.code or []
        found = _LANGUAGE.search(attributes)
        self.language = self.language or (found[1] if found else "")

    def text(self, text: str) -> None:
        (self.header if self.code is None else self.code).append(text)

    def fence(self) -> str:
        header = "".join(self.header)
        if self.code is None:
            code, name = header, ""
        else:
            code, name = "".join(self.code), _without_buttons(header)
        language = self.language or (name if len(name.split()) == 1 else "")
        ticks = "`" * max([3, *(len(run) + 1 for run in _BACKTICKS.findall(code))])
        return f"{ticks}{language}\n{code.rstrip(_NEWLINE)}\n{ticks}"


class MarkdownWriter:
    """Call `open`, `text` and `close` in document order, then `finish`."""

    def __init__(self) -> None:
        self._containers = [_Container()]
        self._tables: list[_Table] = []
        self._inline = Inline()
        self._code: _CodeBlock | None = None

    def open(self, name: str, attributes: str) -> None:
        """An opening tag with the text of its attributes."""
        if self._code is not None:
            if name == "code":
                self._code.open(attributes)
            elif name == "br":
                self._code.text("\n")
            self._code.depth += name == "pre"
        elif opener := _OPENERS.get(name):
            opener(self, name, attributes)

    def close(self, name: str) -> None:
        """A closing tag."""
        if self._code is not None:
            self._code.depth -= name == "pre"
            if not self._code.depth:
                block, self._code = self._code, None
                self._add(block.fence())
        elif closer := _CLOSERS.get(name):
            closer(self, name)

    def text(self, text: str) -> None:
        """A text between two tags, its entities resolved."""
        if self._code is not None:
            self._code.text(text)
        else:
            self._inline.text(text)

    @property
    def is_plain(self) -> bool:
        """Whether neither a code block nor emphasis is open: then `run`, `leaf` and `code_block` can write at once."""
        return self._code is None and not self._inline.is_open

    def run(self, text: str) -> None:
        """A text with its marks, its entities resolved."""
        self._inline.text(text)

    def leaf(self, name: str, text: str) -> None:
        """A paragraph, item, cell or heading that holds nothing but such a text."""
        self._end_block()
        block = tidy(text)
        if name == "p":
            if block:
                self._containers[-1].loose = True
                self._containers[-1].blocks.append(block)
        elif name == "li":
            self._add_item(block, loose=False)
        elif name in _CELLS:
            self._rule_cell("")
            self._add_cell(block)
        else:
            self._add_heading(name, block)

    def code_block(self, header: str, code: str, attributes: str) -> None:
        """A `<pre>`: the text before its `<code>`, its code, and the attributes of that `<code>`."""
        block = _CodeBlock(header=[header])
        block.open(attributes)
        block.text(code)
        self._end_block()
        self._containers[-1].blocks.append(block.fence())

    def finish(self) -> str:
        """The markdown of all that was written."""
        self._end_block()
        return "\n\n".join(self._containers[0].blocks)

    def _end_block(self) -> None:
        text = self._inline.take()
        if text:
            self._containers[-1].blocks.append(text)

    def _add(self, block: str) -> None:
        self._end_block()
        self._containers[-1].blocks.append(block)

    def _open_container(self, number: int | None = None) -> None:
        self._end_block()
        self._containers.append(_Container(number=number))

    def _close_container(self) -> _Container:
        self._end_block()
        return self._containers.pop() if len(self._containers) > 1 else _Container()

    def _close_paragraph(self) -> None:
        container = self._containers[-1]
        before = len(container.blocks)
        self._end_block()
        container.loose |= len(container.blocks) > before

    def _close_heading(self, name: str) -> None:
        self._add_heading(name, self._inline.take())

    def _add_heading(self, name: str, text: str) -> None:
        if text:
            line = text.replace("\n", " ")
            self._containers[-1].blocks.append(f"{'#' * int(name[1])} {line}")

    def _close_quote(self) -> None:
        quoted = "\n\n".join(self._close_container().blocks)
        if len(self._containers) < _DEEPEST:
            quoted = "\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))
        self._add(quoted)

    # --- lists --------------------------------------------------------------------------------------------------------

    def _open_list(self, name: str, attributes: str) -> None:
        start = attribute(attributes, "start")
        self._open_container((int(start) if start.isdecimal() else 1) if name == "ol" else None)

    def _close_item(self) -> None:
        item = self._close_container()
        self._add_item(_joined(item), loose=item.loose)

    def _add_item(self, text: str, *, loose: bool) -> None:
        """Hand an item's text to its list: the marker, then each further line indented by the marker's width."""
        parent = self._containers[-1]
        marker = "- "
        if parent.number is not None:
            marker = f"{parent.number}. "
            parent.number += 1
        parent.loose |= loose
        if "\n" in text and len(self._containers) < _DEEPEST:
            text = _LINE_START.sub("\n" + " " * len(marker), text)
        parent.blocks.append((marker + text).rstrip())

    def _close_list(self) -> None:
        listed = self._close_container()
        if listed.blocks:
            parent = self._containers[-1]
            parent.lists.add(len(parent.blocks))
            parent.blocks.append(("\n\n" if listed.loose else "\n").join(listed.blocks))

    # --- code, tables, boxes ------------------------------------------------------------------------------------------

    def _open_code(self) -> None:
        self._end_block()
        self._code = _CodeBlock()

    def _open_table(self) -> None:
        self._end_block()
        self._tables.append(_Table())

    def _open_row(self) -> None:
        if self._tables:
            self._tables[-1].rows.append([])

    def _open_cell(self, _: str, attributes: str) -> None:
        self._open_container()
        self._rule_cell(attributes)

    def _rule_cell(self, attributes: str) -> None:
        if self._tables and len(self._tables[-1].rows) == 1:
            self._tables[-1].rules.append(_rule(attributes))

    def _close_cell(self) -> None:
        self._add_cell("\n".join(self._close_container().blocks))

    def _add_cell(self, text: str) -> None:
        if self._tables and self._tables[-1].rows:
            self._tables[-1].rows[-1].append(text.replace("|", "\\|").replace("\n", "<br>"))
        elif text:  # a cell that broken HTML left outside of any table
            self._add(text)

    def _close_table(self) -> None:
        self._end_block()
        table = self._tables.pop() if self._tables else _Table()
        rows = [row for row in table.rows if row]
        if rows:
            width = max(map(len, rows))
            rules = (table.rules + ["---"] * width)[:width]
            padded = [row + [""] * (width - len(row)) for row in rows]
            self._add("\n".join(f"| {' | '.join(row)} |" for row in (padded[0], rules, *padded[1:])))

    def _checkbox(self, _: str, attributes: str) -> None:
        if attribute(attributes, "type") == "checkbox":
            self._inline.literal("[x] " if "checked" in attributes else "[ ] ")


def _joined(item: _Container) -> str:
    """The blocks of a list item; a list in it follows its text at once, as people write it."""
    parts: list[str] = []
    for index, block in enumerate(item.blocks):
        if index:
            parts.append("\n" if index in item.lists or not item.loose else "\n\n")
        parts.append(block)
    return "".join(parts)


def _without_buttons(header: str) -> str:
    """What a code block's header says beside the labels of its buttons."""
    name = header.strip()
    while button := next((label for label in _HEADER_BUTTONS if name.endswith(label)), ""):
        name = name.removesuffix(button).rstrip()
    return name


def _rule(attributes: str) -> str:
    alignment = attribute(attributes, "align") or attribute(attributes, "style").replace(" ", "").removeprefix(
        "text-align:"
    ).rstrip(";")
    return {"left": ":---", "center": ":---:", "right": "---:"}.get(alignment, "---")


# What each tag does; made once, since a dump has millions of replies.
_OPENERS: dict[str, Callable[[MarkdownWriter, str, str], None]] = {
    **dict.fromkeys((*_HEADINGS, *_BLOCKS, "p"), lambda writer, *_: writer._end_block()),
    **dict.fromkeys(("ul", "ol"), MarkdownWriter._open_list),
    **dict.fromkeys(("li", "blockquote"), lambda writer, *_: writer._open_container()),
    **dict.fromkeys(_CELLS, MarkdownWriter._open_cell),
    "table": lambda writer, *_: writer._open_table(),
    "tr": lambda writer, *_: writer._open_row(),
    **dict.fromkeys(MARKS, lambda writer, name, attributes: writer._inline.open(name, attributes)),
    "pre": lambda writer, *_: writer._open_code(),
    "br": lambda writer, *_: writer._inline.literal("\n"),
    "hr": lambda writer, *_: writer._add("---"),
    "img": lambda writer, _, attributes: writer._inline.literal(attribute(attributes, "alt")),
    "input": MarkdownWriter._checkbox,
    **dict.fromkeys(("sup", "sub"), lambda writer, name, _: writer._inline.literal(f"<{name}>")),
}
_CLOSERS: dict[str, Callable[[MarkdownWriter, str], None]] = {
    **dict.fromkeys(_BLOCKS, lambda writer, _: writer._end_block()),
    **dict.fromkeys(_HEADINGS, MarkdownWriter._close_heading),
    **dict.fromkeys(("ul", "ol"), lambda writer, _: writer._close_list()),
    **dict.fromkeys(_CELLS, lambda writer, _: writer._close_cell()),
    **dict.fromkeys(MARKS, lambda writer, name: writer._inline.close(name)),
    "p": lambda writer, _: writer._close_paragraph(),
    "li": lambda writer, _: writer._close_item(),
    "blockquote": lambda writer, _: writer._close_quote(),
    "table": lambda writer, _: writer._close_table(),
    **dict.fromkeys(("sup", "sub"), lambda writer, name: writer._inline.literal(f"</{name}>")),
}
