import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from data_tools.rules.html_markdown import _normalised, _write_tags, is_html, to_markdown
from data_tools.rules.markdown_writer import MarkdownWriter

SVG = '<svg stroke="currentColor" viewBox="0 0 24 24" class="h-4 w-4"><path d="M16 4h2"></path></svg>'
BAR = "flex items-center relative text-gray-200 bg-gray-800 px-4 py-2 text-xs font-sans"
CODE = (
    '<span class="hljs-keyword">if</span> a &lt; b &amp;&amp; c:\n    <span class="hljs-built_in">print</span>'
    '(<span class="hljs-string">"x  <span class="hljs-subst">{y}</span>"</span>)\n'
)
FENCED = '```python\nif a < b && c:\n    print("x  {y}")\n```'

GENERATIONS = {
    "2023 without button": (
        f'<pre><div class="bg-black rounded-md mb-4"><div class="{BAR}"><span>python</span>{SVG}Copy code</div>'
        f'<div><code class="!whitespace-pre hljs language-python">{CODE}</code></div></div></pre>'
    ),
    "2023": (
        f'<pre><div class="bg-black mb-4 rounded-md"><div class="{BAR}"><span class="">python</span>'
        f'<button class="flex">{SVG}Copy code</button></div><div class="p-4">'
        f'<code class="!whitespace-pre hljs language-python">{CODE}</code></div></div></pre>'
    ),
    "2024": (
        '<pre><div class="dark bg-gray-950"><div class="flex"><span>python</span><div class="flex items-center">'
        '<span data-state="closed"><button>Copy code</button></span></div></div><div class="p-4" dir="ltr">'
        f'<code class="!whitespace-pre hljs language-python">{CODE}</code></div></div></pre>'
    ),
    "2025": (
        '<pre class="overflow-visible!" data-start="0"><div class="contain-inline-size"><div class="h-9">python</div>'
        '<div class="sticky top-9"><div><button aria-label="Copy">Copy</button><button>Edit</button></div></div>'
        f'<div><code class="whitespace-pre! language-python"><span><span>{CODE}</span></span></code></div></div></pre>'
    ),
    "language in the header alone": (
        f'<pre><div><span>python</span>Copy code</div><code class="hljs">{CODE}</code></pre>'
    ),
}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_code_of_every_generation(generation: str) -> None:
    html = f"<div><p>Run:</p>{GENERATIONS[generation]}<p>Done.</p></div>"
    assert is_html(html)
    assert to_markdown(html) == f"Run:\n\n{FENCED}\n\nDone."


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<div><p>One <strong>two</strong> <em>three</em> <del>four</del>.</p></div>", "One **two** *three* ~~four~~."),
        ("<div><p><strong>Note: </strong>read <strong><em>this</em></strong></p></div>", "**Note:** read ***this***"),
        ("<div><p>a\n  b<br>c</p><p>d</p></div>", "a\nb\nc\n\nd"),
        ("<div><p>5 * 3 &lt; 20 &amp; _x_</p></div>", "5 * 3 < 20 & _x_"),
        ("<div><p><code>a  &lt;b&gt;</code> and <code>`</code></p></div>", "`a <b>` and `` ` ``"),
        ('<div><p>See <a href="https://a.example/?x=1&amp;y=2">the page</a>.</p></div>',
         "See [the page](https://a.example/?x=1&y=2)."),
        ('<div><p><a href="https://a.example">https://a.example</a></p></div>', "https://a.example"),
        ('<div><p>A <img src="cat.png" alt="grey cat"> sits.</p></div>', "A grey cat sits."),
        ('<div><p><img src="cat.png"> sits.</p></div>', "sits."),
        ("<div><h2>Title <code>x</code></h2><p>a</p><hr><h3>Sub</h3></div>", "## Title `x`\n\na\n\n---\n\n### Sub"),
        ("<div><blockquote><p>a</p><p>b</p></blockquote></div>", "> a\n>\n> b"),
        ("<div><ul><li>a</li><li>b<ul><li>c</li></ul></li></ul></div>", "- a\n- b\n  - c"),
        ('<div><ol start="9"><li>a</li><li>b<ol><li>c</li></ol></li></ol></div>', "9. a\n10. b\n    1. c"),
        ("<div><ol><li><p>a</p><ul><li>b</li></ul></li><li><p>c</p><p>d</p></li></ol></div>",
         "1. a\n   - b\n\n2. c\n\n   d"),
        ("<div><ul>\n<li>a:\n<pre><code class=\"language-sh\">x\n\ny\n</code></pre></li>\n</ul></div>",
         "- a:\n  ```sh\n  x\n\n  y\n  ```"),
        ('<div><ul><li><input type="checkbox" checked disabled> done</li></ul></div>', "- [x] done"),
        ('<div><table><thead><tr><th>a</th><th style="text-align:right">b</th></tr></thead><tbody><tr><td>x|y</td>'
         "<td><strong>1</strong></td></tr><tr><td>p<br>q</td></tr></tbody></table></div>",
         "| a | b |\n| --- | ---: |\n| x\\|y | **1** |\n| p<br>q |  |"),
        ("<div><pre><code>a ``` b\n```\n</code></pre></div>", "````\na ``` b\n```\n````"),
        ("<div><p>x<script>alert(1)</script><style>p{}</style><button>Copy</button></p></div>", "x"),
        ("<div></div>", ""),
    ],
)  # fmt: skip
def test_blocks_and_inlines(html: str, markdown: str) -> None:
    assert to_markdown(html) == markdown


def katex(latex: str) -> str:
    return (
        '<span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>x</mi></mrow><annotation '
        f'encoding="application/x-tex">{latex}</annotation></semantics></math></span><span class="katex-html" '
        'aria-hidden="true"><span class="base"><span class="mord">x</span></span></span></span>'
    )


def test_math_is_latex_again() -> None:
    inline, display = katex("x_1 &lt; 2"), katex("\\frac{a}{b} * c")
    html = (
        f'<div><p>Let <span class="math math-inline">{inline}</span>; then</p><div class="math math-display">'
        f'<span class="katex-display">{display}</span></div><p>holds.</p></div>'
    )
    assert to_markdown(html) == "Let $x_1 < 2$; then\n\n$$\\frac{a}{b} * c$$\n\nholds."


@pytest.mark.parametrize(
    "reply",
    [
        "Use the `<div>` tag, like <b>this</b>.",
        "<div> is a block element; close it with </div>",
        "<br> breaks a line.",
        "```html\n<div><p>x</p></div>\n```",
        "<div>\n  <p>Hello</p>\n  <p>World</p>\n</div>",
        "<div><p>x</p></div>\n\nThis is the markup that you asked for.",
        "<html><body><p>x</p></body></html>",
        '<div id="app"></div>',
        "Generic<List<String>> is > 3 and < 5",
        "",
    ],
)
def test_markdown_that_mentions_tags_is_not_html(reply: str) -> None:
    assert not is_html(reply)


def test_a_reply_that_shows_html_source_is_fenced_so_that_it_stays() -> None:
    markdown = to_markdown("<div><p>&lt;div&gt;&lt;p&gt;x&lt;/p&gt;&lt;/div&gt;</p></div>")
    assert markdown == "```html\n<div><p>x</p></div>\n```"
    assert not is_html(markdown)


def test_broken_and_deep_html_is_mended_in_linear_time() -> None:
    assert to_markdown("<div><p>a <strong>b</p><ul><li>c<li>d</ul>") == "a **b**\n\n- **c**\n- **d**"
    deep = "<div>" + "<ul><li>x" * 150 + "</li></ul>" * 150 + "</div>"
    assert is_html(deep)
    assert to_markdown(deep).count("- x") == 150
    assert not is_html(deep.replace("x", "<ul><li>x</li></ul>" * 9 + "<ul><li>x" * 9))


TAGS = (
    *("p", "p", "p", "li", "li", "strong", "strong", "em", "code", "code", "span", "div", "ul", "ol"),
    *("td", "th", "tr", "table", "pre", "h2", "a", "b", "img", "blockquote"),
)
TEXTS = st.sampled_from(
    [
        "a",
        " b",
        "c ",
        "\n",
        " \n ",
        "  ",
        "\n\n\n",
        "`",
        "&lt;div&gt;",
        "&amp;amp;",
        "&nbsp;",
        "\u3000",
        "x  y",
        "* z",
        "\t",
    ]
)
PIECES = st.one_of(
    TEXTS,
    st.sampled_from(["<br>", "<hr>", "<!--x-->", '<code class="language-py">', '<a href="x>y">', '<span title="<p>">']),
    st.builds("<{}{}>".format, st.sampled_from(["", "/"]), st.sampled_from(TAGS)),
    st.builds("<{0}>{1}{2}{3}</{0}>".format, st.sampled_from(TAGS), TEXTS, TEXTS, TEXTS),
    st.builds("<pre><div>{1}</div><code{0}>{1}<span class='k'>{2}</span></code></pre>".format,
              st.sampled_from(["", " class='language-c'"]), TEXTS, TEXTS),
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join))
def test_what_is_written_at_once_is_what_its_tags_make_one_by_one(inner: str) -> None:
    html = f"<div>{inner}</div>"
    writer = MarkdownWriter()
    _write_tags(writer, _normalised(html))
    markdown = writer.finish()
    assert to_markdown(html) == (f"```html\n{markdown}\n```" if is_html(markdown) else markdown)


def test_real_records_keep_their_code_tables_and_numbers(shared_data: Path) -> None:
    records = json.loads((shared_data / "sharegpt_html" / "sharegpt90k_raw_4.json").read_text())
    replies = [turn["value"] for record in records for turn in record["conversations"] if turn["from"] == "gpt"]
    assert all(map(is_html, replies))
    for reply in replies:
        markdown, tree = to_markdown(reply), LexborHTMLParser(reply)
        codes = [node.text().rstrip("\n") for node in tree.css("pre code")]
        assert all(f"```swift\n{code}\n```" in markdown for code in codes)
        assert "Copy code" not in markdown
        assert markdown.count("\n| ") == len(tree.css("tr")) + len(tree.css("table")) - markdown.startswith("| ")
        squeezed = "".join(markdown.replace("*", "").replace("`", "").split())
        for node in tree.css("p, td, li"):
            if not node.css("p, pre, ul, ol")[node.tag == "p" :]:
                assert "".join(node.text().replace("*", "").replace("`", "").split()) in squeezed


def test_real_markdown_is_never_taken_for_html(shared_data: Path) -> None:
    records = json.loads((shared_data / "sharegpt" / "sharegpt_508.json").read_text())
    assert not any(is_html(turn["value"]) for record in records for turn in record["conversations"])


def test_saved_pages_of_four_years(shared_data: Path) -> None:
    for page in (shared_data / "sharegpt_html").glob("saved_page_*.html"):
        nodes = LexborHTMLParser(page.read_text()).css("div.markdown")
        assert nodes, page.name
        for node in nodes:
            html = node.html or ""
            assert is_html(html)
            markdown = to_markdown(html)
            assert markdown.count("```") >= 2 * len(node.css("pre"))
            assert "Copy code" not in markdown
