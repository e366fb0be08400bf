import json
from html.entities import html5
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.rules.flat_html import flat_markdown
from data_tools.rules.html_markdown import _parsed_markdown, is_html

BAR = '<div class="flex items-center"><span class="">{}</span><button class="flex ml-auto">Copy code</button></div>'
CODE = '<pre><div class="bg-black">{bar}<div><code class="hljs language-{name}">{code}</code></div></div></pre>'
# Texts that a pattern reads as a parser does, and those that it may not.
PLAIN = st.sampled_from(
    ["a", " ", "  ", "\n", "\n\n\n", "b*", "&lt;p&gt;", "&amp;lt;", "&nbsp;", "\t", "é", "\x0c", "📎"]
)
TIGHT = st.sampled_from(["a", "b  c", "&lt;b&gt;", "&#39;x", "*", "é"])
ODD = st.characters() | st.sampled_from(
    ["<br>", "</div>", "</td>", "</th><td>", "<p>", "</p>", "<li>", "&#1;", "`", "<ul><li>b</li></ul>"]
)

NEWLINES = st.sampled_from(["", "\n"])
ROWS = st.sampled_from("hd")
HREFS = st.sampled_from(["", "a", "mailto:a", "https://a.b/?c=1&amp;lt;=2", "*", "(", "é"])


def blocks_of(texts: st.SearchStrategy[str], marked: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Blocks of HTML with such texts in them, some of these in emphasis."""
    emphasis = st.builds("<{0}>{1}</{0}>".format, st.sampled_from(["strong", "em", "code"]), marked)
    link = st.builds('<a target="_blank" href="{}" class="x">{}</a>'.format, HREFS, marked)
    run = st.lists(texts | emphasis | link, max_size=5).map("".join)
    item = st.builds("<li>{}</li>".format, run | st.builds("<p>{}</p>".format, run))
    short = st.lists(st.builds("<li>{}</li>\n".format, run), min_size=1, max_size=3).map("".join)
    nesting = st.builds("<li>{0}{3}<{1}>{2}</{1}>{3}</li>".format, run, st.sampled_from(["ul", "ol"]), short, NEWLINES)
    items = st.builds(str.join, NEWLINES, st.lists(item, min_size=1, max_size=4))
    nested = st.builds(
        str.join, NEWLINES, st.lists(st.builds("<li>{}</li>".format, run) | nesting, min_size=1, max_size=4)
    )
    cells = st.lists(run, min_size=1, max_size=3)
    row = st.builds(lambda of, texts: f"<tr>\n{''.join(f'<t{of}>{text}</t{of}>' for text in texts)}</tr>", ROWS, cells)
    rows = st.builds(str.join, st.sampled_from(["", "\n"]), st.lists(row, max_size=3))
    code = st.lists(texts | st.builds('<span class="hljs-string">{}</span>'.format, texts), max_size=4).map("".join)
    return st.one_of(
        st.builds("<p>{}</p>".format, run),
        st.builds("<h{0}>{1}</h{0}>\n".format, st.integers(1, 6), run),
        st.builds("<table>\n<thead>{}\n</thead>\n<tbody>\n{}</tbody></table>".format, row, rows),
        st.sampled_from(["<hr>", "<hr />\n"]),
        st.builds("<ul>\n{}\n</ul>".format, items | nested),
        st.builds("<ol{}>{}</ol>\n".format, st.sampled_from(["", ' start="7"']), items | nested),
        st.builds(
            lambda name, code: CODE.format(bar=BAR.format(name), name=name, code=code),
            st.sampled_from(["", "python"]),
            code,
        ),
    )


OPENINGS = st.sampled_from(["<div>", '<div class="markdown prose">', "\n<div>\n"])


@given(OPENINGS, st.lists(blocks_of(PLAIN, TIGHT), max_size=6).map("".join))
def test_what_is_flat_is_written_as_if_it_were_parsed(opening: str, blocks: str) -> None:
    html = f"{opening}{blocks}</div>"
    assert flat_markdown(html) == _parsed_markdown(html)


@given(OPENINGS, st.lists(blocks_of(PLAIN | ODD, TIGHT | PLAIN | ODD), max_size=4).map("".join))
def test_what_may_not_be_flat_is_never_written_otherwise(opening: str, blocks: str) -> None:
    html = f"{opening}{blocks}</div>"
    flat = flat_markdown(html)
    assert flat is None or flat == _parsed_markdown(html)


def test_every_named_reference_is_read_as_a_parser_reads_it() -> None:
    for name in html5:
        for after in ("", "x", "=", " "):
            html = f"<div><p>a&{name}{after}.</p></div>"
            assert flat_markdown(html) == _parsed_markdown(html), name


@pytest.mark.parametrize(
    "odd",
    ["a\rb", "a\0b", "a\ud800b", "a&#0;b", "a&#128;b", "a<br>b", "<a href='x'>b</a>", "<code>a`b</code>", "<p>b</p>"],
)
def test_what_needs_a_parser_is_left_to_it(odd: str) -> None:
    assert flat_markdown(f"<div><p>{odd}</p></div>") is None
    assert flat_markdown(f"<div><ul><li>{odd} </li></ul><ul><li><p>a</p>{odd}</li></ul></div>") is None


def test_most_real_replies_are_flat(shared_data: Path) -> None:
    dump = json.loads((shared_data / "sharegpt_html" / "sharegpt_508_as_html.json").read_text(encoding="utf-8"))
    values = [turn["value"] for record in dump for turn in record["conversations"]]
    replies = [value for value in values if is_html(value)]
    flat = {reply: markdown for reply in replies if (markdown := flat_markdown(reply)) is not None}
    assert len(flat) > 0.9 * len(set(replies))
    assert all(markdown == _parsed_markdown(reply) for reply, markdown in flat.items())
