"""Writes markdown from a stream of opening tags, texts and closing tags that a parser has made well-formed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from data_tools.rules.markdown_blocks import column_rule, fenced, heading, language_of, list_item, table, table_cell
from data_tools.rules.markdown_inline import MARKS, Inline, attribute, tidy

_CELLS = ("td", "th")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = (
    *("div", "section", "article", "header", "footer", "main", "aside", "nav", "address", "center", "body", "html"),
    *("figure", "figcaption", "details", "summary", "caption", "dl", "dt", "dd", "form", "fieldset"),
)
# Beyond any nesting that people write, containers add no more indentation, so that time stays linear.
_DEEPEST = 30


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
        self.language = self.language or language_of(attributes)

    def text(self, text: str) -> None:
        (self.header if self.code is None else self.code).append(text)

    def fence(self) -> str:
        header = "".join(self.header)
        if self.code is None:
            return fenced(header, language="", header="")
        return fenced("".join(self.code), language=self.language, header=header)


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
        self._add(fenced(code, language=language_of(attributes), header=header))

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
            self._containers[-1].blocks.append(heading(name[1], text))

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
        """Hand an item's text to its list."""
        parent = self._containers[-1]
        parent.loose |= loose
        parent.blocks.append(list_item(text, parent.number, indented=len(self._containers) < _DEEPEST))
        if parent.number is not None:
            parent.number += 1

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
            self._tables[-1].rules.append(column_rule(attributes))

    def _close_cell(self) -> None:
        self._add_cell("\n".join(self._close_container().blocks))

    def _add_cell(self, text: str) -> None:
        if self._tables and self._tables[-1].rows:
            self._tables[-1].rows[-1].append(table_cell(text))
        elif text:  # a cell that broken HTML left outside of any table
            self._add(text)

    def _close_table(self) -> None:
        self._end_block()
        closed = self._tables.pop() if self._tables else _Table()
        rows = [row for row in closed.rows if row]
        if rows:
            self._add(table(rows, closed.rules))

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
