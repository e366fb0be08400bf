"""A reply that ChatGPT's page rendered to HTML, back to the markdown it was written in.

What is flat is written as it is. Else Lexbor parses the HTML as a browser does and writes it out well-formed; one pass
over that writes the markdown, whole paragraphs, items and code blocks at once where nothing in them needs care.
Text is not escaped: the page shows `2 * 3` for `2 * 3`, and that is what the model wrote.
"""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from data_tools.rules.flat_html import flat_markdown
from data_tools.rules.markdown_inline import RUN, as_text, unescaped
from data_tools.rules.markdown_writer import MarkdownWriter
from data_tools.rules.searching import holds
from data_tools.rules.tangled import is_tangled

# The wrappers of a rendered reply: ShareGPT kept them for some replies, and a bare <div> for most.
_WRAPPER = re.compile(r'<div class="[^"]{0,400}?(?:\bmarkdown\b|\bprose\b|whitespace-pre-wrap)[^"]{0,400}"')
_BARE = re.compile(r"<(div|p|ol|ul|pre|table|h[1-6]|blockquote)(?: class=\"[^\"]*\")?>(?! )")
_SOURCE_CODE = re.compile(r">[ \t]*\n[ \t]+<|```")
_PRE = re.compile(r"<pre\b.*?</pre>", re.DOTALL)
# A comment, or a tag; both are whole, as Lexbor wrote them. A tag may be called `th<!--`, which begins no comment.
_TAG = re.compile(r'<!--.*?-->|<(/?)([a-z][^\s/>]*)((?:[^>"]++|"[^"]*")*)>', re.DOTALL)
# Within `<pre>`, what only colours the code or stands around it.
_COLOURED = r'(?:[^<]++|<(?!!|/?pre[\s>]|br[\s>]|code[\s>])/?[a-z][^\s/>]*+(?:[^>"]++|"[^"]*")*+>)*+'
# In one match what can be written at once; tags alone, comments, and a lone < beside.
_TOKEN = re.compile(
    rf"(?P<run>(?:{RUN})++)"
    rf"|(?P<leaf><(?P<leaf_name>p|li|td|th|h[1-6])>(?P<leaf_text>(?:{RUN})*+)</(?P=leaf_name)>[ \n]*+)"
    rf'|(?P<pre><pre(?:\s(?:[^>"]++|"[^"]*")*+)?>(?P<header>{_COLOURED})'
    rf'<code(?P<of_code>(?:\s(?:[^>"]++|"[^"]*")*+)?)>(?P<code>{_COLOURED})</pre>[ \n]*+)'
    r'|<!--.*?-->|(?P<tag><(?P<closing>/?)(?P<name>[a-z][^\s/>]*)(?P<attributes>(?:[^>"]++|"[^"]*")*)>)|(?P<stray><)',
    re.DOTALL,
)
_UNSEEN = (
    *("script", "style", "svg", "button", "noscript", "template", "iframe", "textarea", "noembed", "noframes", "xmp"),
    *("plaintext", "title", "head"),
)
_UNSEEN_TAG = re.compile(f"<(?:{'|'.join(_UNSEEN)})", re.IGNORECASE)
_UNSEEN_NODES = ", ".join(_UNSEEN)


def is_html(reply: str) -> bool:
    """Whether a reply is rendered HTML as a whole, rather than markdown that may mention tags.

    HTML that a model wrote as an answer is indented from line to line or stands in a fence; a rendered reply is not.

    >>> is_html("<div><p>Use a list:</p><ol><li>One</li></ol></div>"), is_html("Use `<div>` like <b>this</b>.")
    (True, False)
    """
    reply = reply.strip()
    if _WRAPPER.match(reply):
        return not is_tangled(reply)
    opening = _BARE.match(reply)
    if opening is None or not reply.endswith(">"):
        return False
    if opening[1] == "div" and not reply.endswith("</div>"):
        return False
    if is_tangled(reply):
        return False
    after_code = reply.rfind("</pre>") + len("</pre>")
    shown = _PRE.sub("", reply[:after_code]) + reply[after_code:] if "</pre>" in reply else reply
    # a line that is indented, or a fence: rare beside code, and to look for them takes a tenth of the pattern's time
    is_suspect = holds(shown, "\n ") or holds(shown, "\n\t") or holds(shown, "```")
    return not (is_suspect and _SOURCE_CODE.search(shown))


def to_markdown(html: str) -> str:
    """The markdown of a rendered reply.

    Code blocks become fences with their language and exact text, KaTeX its LaTeX in dollars, images their alt text;
    buttons and code headers go. A reply that shows nothing but HTML source is fenced, so that no later pass takes
    the source for a rendered reply.

    >>> to_markdown('<div><p>Run <code>ls</code>:</p><pre><div>bash<button>Copy code</button></div>'
    ...             '<code class="hljs language-bash"><span class="hljs-built_in">ls</span> -l\\n</code></pre></div>')
    'Run `ls`:\\n\\n```bash\\nls -l\\n```'
    """
    flat = flat_markdown(html)
    markdown = _parsed_markdown(html) if flat is None else flat
    return f"```html\n{markdown}\n```" if is_html(markdown) else markdown


def _parsed_markdown(html: str) -> str:
    writer = MarkdownWriter()
    for found in _TOKEN.finditer(_normalised(html)):
        kind = found.lastgroup
        if kind == "tag":
            _write_tag(writer, found["closing"], found["name"], found["attributes"])
        elif not writer.is_plain:
            _write_tags(writer, found[0])
        elif kind in ("run", "stray"):
            writer.run(as_text(found[0]))
        elif kind == "leaf":
            writer.leaf(found["leaf_name"], as_text(found["leaf_text"]))
        elif kind == "pre":
            writer.code_block(_shown(found["header"]), _shown(found["code"]), found["of_code"])
    return writer.finish()


def _write_tags(writer: MarkdownWriter, html: str) -> None:
    """Write tag by tag, as it has to be where emphasis or a code block is open around them."""
    parts = _TAG.split(html)
    if parts[0]:
        writer.text(unescaped(parts[0]))
    for closing, name, attributes, text in zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4], strict=True):
        if name is not None:
            _write_tag(writer, closing, name, attributes)
        if text:
            writer.text(unescaped(text))


def _write_tag(writer: MarkdownWriter, closing: str, name: str, attributes: str) -> None:
    if name == "span":  # the colour of a word in code
        return
    if closing:
        writer.close(name)
    else:
        writer.open(name, attributes)


def _shown(coloured: str) -> str:
    return unescaped(_TAG.sub("", coloured) if "<" in coloured else coloured)


def _normalised(html: str) -> str:
    """The body as well-formed HTML without what the page does not show as text."""
    tree = LexborHTMLParser(html)
    if _UNSEEN_TAG.search(html):
        for node in tree.css(_UNSEEN_NODES):
            node.decompose()
    if "katex" in html:
        for node in tree.css(".katex"):
            _replace_math(node)
    body = tree.body.html if tree.body is not None else None
    return body or ""


def _replace_math(node: LexborNode) -> None:
    """Put LaTeX in the place of KaTeX's drawing of it."""
    annotation = node.css_first("annotation")
    if annotation is None:
        return
    latex = annotation.text().strip()
    parent = node.parent
    if parent is not None and "katex-display" in (parent.attributes.get("class") or ""):
        parent.replace_with(f"\n$${latex}$$\n")
    else:
        node.replace_with(f"${latex}$")
