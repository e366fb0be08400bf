"""Markdown of a reply as safe HTML: raw HTML stays text, nothing is loaded, mathematics becomes MathML.

Made on the server, so that a page needs no script for it and a growing reply is sent block by block.
"""

import re
from collections.abc import Sequence
from html import escape, unescape
from typing import Any
from xml.etree.ElementTree import tostring

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from serve.chat.icons import icon_button

# A single dollar is a price, so only the unmistakable delimiters make mathematics.
_DELIMITERS = (("$$", "$$", True), (r"\[", r"\]", True), (r"\(", r"\)", False))
_LONGEST_FORMULA = 2000
_LONGEST_HIGHLIGHT = 50_000
_LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_OPENING = re.compile(r"^ {0,3}(\$\$|\\\[)", re.MULTILINE)
_CLOSING = {"$$": "$$", r"\[": r"\]"}
# Whatever else LaTeX can set (links, styles, classes) is left out.
_ATTRIBUTES = {
    *("xmlns", "display", "mathvariant", "stretchy", "fence", "form", "separator", "linethickness", "columnalign"),
    *("columnlines", "rowlines", "rowspacing", "columnspacing", "accent", "accentunder", "movablelimits", "minsize"),
    *("maxsize", "width", "height", "depth", "lspace", "rspace", "displaystyle", "scriptlevel", "largeop", "symmetric"),
}


def to_html(text: str, *, copy: str = "Copy") -> str:
    r"""The HTML of a reply. `copy` is the name of the button beside code, in the reader's language.

    >>> to_html("**a** <b>")
    '<p><strong>a</strong> &lt;b&gt;</p>\n'
    """
    return str(_MARKDOWN.render(text, {"copy": copy}))


class GrowingMarkdown:
    """A reply that grows: only its last block can still change, so only that is rendered again.

    >>> growing = GrowingMarkdown()
    >>> growing.update("one\\n\\ntw")
    (0, '<p>one</p>\\n<p>tw</p>\\n')
    >>> growing.update("one\\n\\ntwo")
    (1, '<p>two</p>\\n')
    """

    def __init__(self, *, copy: str = "Copy") -> None:
        self._names = {"copy": copy}
        self._start = 0  # where the last block begins in the text
        self._blocks = 0  # how many stand before it

    def update(self, text: str) -> tuple[int, str]:
        """How many blocks of the last update stay, and the HTML of those after them."""
        kept, tail = self._blocks, text.replace("\r\n", "\n").replace("\r", "\n")[self._start :]
        tokens = _MARKDOWN.parse(tail)
        html = str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, self._names))
        begins = [token.map[0] for token in tokens if token.map and token.level == 0 and token.nesting >= 0]
        open_formula = _open_formula(tail)
        settled = sum(begin <= open_formula for begin in begins) - 1
        if settled > 0:
            self._start += sum(len(line) + 1 for line in tail.split("\n")[: begins[settled]])
            self._blocks += settled
        return kept, html

    def frame(self, text: str) -> dict[str, Any]:
        """The same update as the page's scripts take it."""
        kept, html = self.update(text.lstrip())
        return {"kept": kept, "html": html}


def _open_formula(text: str) -> float:
    """The line on which a formula begins that is not closed yet: what follows it may still turn out to be in it."""
    opened = [found for found in _OPENING.finditer(text) if _CLOSING[found.group(1)] not in text[found.end() :]]
    return text.count("\n", 0, opened[0].start(1)) if opened else float("inf")


def _code(self: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, env: EnvType) -> str:
    """A block of code with its language and a button that copies it."""
    language = (tokens[at].info.split() or [""])[0][:30]
    code = tokens[at].content
    try:
        lexer = get_lexer_by_name(language) if language and len(code) < _LONGEST_HIGHLIGHT else None
    except ClassNotFound:
        lexer = None
    shown = highlight(code, lexer, HtmlFormatter(nowrap=True)) if lexer else escape(code)
    copy = icon_button("copy", escape(env["copy"]), copy="code")
    head = f"<span>{escape(language)}</span>{copy}"
    return f'<div class="code"><div class="code-head">{head}</div><pre tabindex="0"><code>{shown}</code></pre></div>\n'


def _link(self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer nofollow")
    tokens[at].attrSet("target", "_blank")
    return str(self.renderToken(tokens, at, options, env))


def _is_link(url: str) -> bool:
    """Whether an address may be followed: to the web, or a letter; none that runs, nor one of this page's own."""
    return bool(_LINK.match(url))


def _image(self: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
    """A picture is named, never loaded: its address would learn who reads, and when."""
    return f"<em>[{escape(tokens[at].content or 'image')}]</em>"


def _table_open(self: RendererHTML, _tokens: Sequence[Token], _at: int, _options: OptionsDict, _env: EnvType) -> str:
    return '<div class="table" tabindex="0"><table>\n'


def _table_close(self: RendererHTML, _tokens: Sequence[Token], _at: int, _options: OptionsDict, _env: EnvType) -> str:
    return "</table></div>\n"


def _math(self: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
    source, is_block = tokens[at].content, bool(tokens[at].meta["is_block"])
    if len(source) > _LONGEST_FORMULA:
        return f"<code>{escape(source)}</code>"
    try:
        formula = convert_to_element(source, display="block" if is_block else "inline")
    except Exception:  # whatever a model wrote that is no LaTeX is shown as it is
        return f"<code>{escape(source)}</code>"
    for element in formula.iter():
        element.text = unescape(element.text or "")  # it is escaped below, once
        for name in set(element.attrib) - _ATTRIBUTES:
            del element.attrib[name]
    return tostring(formula, encoding="unicode")


def _math_inline(state: StateInline, silent: bool) -> bool:
    for opening, closing, is_block in _DELIMITERS:
        if state.src.startswith(opening, state.pos):
            end = state.src.find(closing, state.pos + len(opening))
            content = state.src[state.pos + len(opening) : end].strip() if end > 0 else ""
            if not content:
                continue
            if not silent:
                token = state.push("math", "", 0)
                token.content, token.meta = content, {"is_block": is_block}
            state.pos = end + len(closing)
            return True
    return False


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula that begins a line with ``$$`` or ``\\[`` and ends with a line, whatever lines lie between."""
    begin = state.bMarks[start] + state.tShift[start]
    for opening, closing, is_block in _DELIMITERS:
        if not (is_block and state.src.startswith(opening, begin)):
            continue
        last = next((at for at in range(start, end) if _closes(state, at, begin + len(opening), closing)), None)
        if last is None:
            continue
        if not silent:
            token = state.push("math", "", 0)
            token.content = state.src[begin + len(opening) : state.eMarks[last]].rstrip()[: -len(closing)].strip()
            token.meta, token.map = {"is_block": True}, [start, last + 1]
            state.line = last + 1
        return True
    return False


def _closes(state: StateBlock, line: int, earliest: int, closing: str) -> bool:
    text = state.src[max(earliest, state.bMarks[line]) : state.eMarks[line]]
    return text.rstrip().endswith(closing)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_link  # type: ignore[method-assign]
    parser.inline.ruler.before("escape", "math", _math_inline)
    parser.block.ruler.before("fence", "math", _math_block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    rules = {"fence": _code, "code_block": _code, "link_open": _link, "image": _image, "math": _math}
    for name, rule in {**rules, "table_open": _table_open, "table_close": _table_close}.items():
        parser.add_render_rule(name, rule)
    return parser


_MARKDOWN = _parser()
