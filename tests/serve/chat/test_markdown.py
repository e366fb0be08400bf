import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.chat.markdown import GrowingMarkdown, to_html

WHOLE = """It costs $4 and $5, \\(a^2\\).

\\[
x = 1
- 2
\\]

# Heading

- one
- two

  still two

| a | b |
|---|---|
| 1 | 2 |

```python
print("a")

# b
```

> quoted
lazy

    indented

1. last
"""


def blocks(html: str) -> list[str]:
    """The top-level elements, as a browser counts an element's children."""
    found, depth, start = [], 0, 0
    for tag in re.finditer(r"<(/?)([a-z0-9]+)[^>]*?(/?)>", html):
        closing, name, single = tag.groups()
        depth += -1 if closing else 0 if single or name in ("hr", "br") else 1
        if depth == 0:
            found.append(html[start : tag.end()].strip())
            start = tag.end()
    return found


@pytest.mark.parametrize("step", [1, 7, 40])
@pytest.mark.parametrize("text", [WHOLE, WHOLE.replace("\n", "\r\n"), "a\u2028b\x0bc\n\nd\n\ne"])
def test_a_growing_reply_ends_as_the_whole_one(text: str, step: int) -> None:
    growing, shown = GrowingMarkdown(), list[str]()
    for end in [*range(step, len(text), step), len(text)]:
        kept, html = growing.update(text[:end])
        shown = [*shown[:kept], *blocks(html)]
    assert shown == blocks(to_html(text))


def test_prices_are_no_mathematics() -> None:
    html = to_html(r"It costs $4 and $5, and \(a^2\) or $$b^2$$ is mathematics.")
    assert "It costs $4 and $5, and" in html
    assert html.count("<math ") == 2


@pytest.mark.parametrize("formula", [r"\frac{", r"\nonsense{x}", "x" * 5000, r"\begin{matrix}"])
def test_what_is_no_formula_is_shown_as_it_is(formula: str) -> None:
    assert "<script" not in to_html(f"$${formula}$$")


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "<img src=x onerror=x>",
        "![p](https://evil.example/p.png)",
        "[c](javascript:x)",
        "[c](data:text/html,x)",
        r"$$\href{javascript:x}{y}$$",
        r"\(\text{<img src=x onerror=x>}\)",
        '```"><img src=x>\ncode\n```',
        "`<b>`",
        "[x]: javascript:x\n\n[x]",
    ],
)
def test_nothing_runs_or_is_loaded(text: str) -> None:
    html = to_html(text)
    assert not re.search(r"<(script|img|iframe|style|link|object|form|b)\b", html)
    assert not re.search(r'(href|src)="(javascript|data)', html)


@given(st.text(alphabet="ab<>&\"'`*_[]()!$\\\n -#|=:/", max_size=60))
def test_any_text_makes_only_tags_that_are_known(text: str) -> None:
    known = {
        *("p", "em", "strong", "code", "pre", "a", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "br"),
        *("blockquote", "table", "thead", "tbody", "tr", "th", "td", "div", "span", "button", "svg", "path", "math"),
        "s",
    }
    html = re.sub(r"<math.*?</math>", "<math></math>", to_html(text))
    assert set(re.findall(r"<([a-z0-9]+)", html)) <= known
