"""The page: one file that needs no network; the data is JSON in it, which only `textContent` ever shows."""

import base64
import hashlib
import json
import re
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from data_tools.atomic import whole_file
from data_tools.inspect.collect import Content

_SCRIPTS = ("dom.js", "plots.js", "conversation.js", "list.js", "page.js")
# `<` could end the element that holds the JSON; the two line separators are line ends to some scripts.
_ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def write_page(content: Content, path: Path) -> None:
    """Write the page whole or not at all. Raises InputError where it cannot be written."""
    with whole_file(path) as temporary:
        temporary.write_text(to_page(content), encoding="utf-8")


def to_page(content: Content) -> str:
    """The page's text. Its policy lets its own script and style run, known by their hashes, and nothing else."""
    script, style = "\n".join(map(_asset, _SCRIPTS)), _asset("page.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    data = [
        _block("overview", content.overview),
        _block("spans", content.spans),
        *(_block(f"conversation-{number}", one) for number, one in enumerate(content.conversations)),
        *(_block(f"rejected-{number}", one) for number, one in enumerate(content.rejected)),
    ]
    # One pass fills all places, so that no text of the data can name another place.
    return Template(_asset("page.html")).substitute(
        policy=escape(policy), style=style, data="\n".join(data), script=script
    )


def _block(name: str, value: object) -> str:
    """A value as a script element that does not run.

    >>> _block("a", "</script>")
    '<script type="application/json" id="a">"\\\\u003c/script\\\\u003e"</script>'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    safe = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'<script type="application/json" id="{name}">{safe}</script>'


def _asset(name: str) -> str:
    return files("data_tools.inspect").joinpath("assets", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
