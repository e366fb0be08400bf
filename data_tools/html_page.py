"""A page as one file that needs no network: its data is JSON in it, which only `textContent` ever shows."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

# `<` could end the element that holds the JSON; the two line separators are line ends to some scripts.
_ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def assemble(*, html: str, styles: Sequence[str], scripts: Sequence[str], data: Mapping[str, object]) -> str:
    """The page's text. Its policy lets its own script and style run, known by their hashes, and nothing else.

    `html` has the places $policy, $style, $data and $script; each value of `data` is read by its name.
    """
    script, style = "\n".join(scripts), "\n".join(styles)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    blocks = "\n".join(data_block(name, value) for name, value in data.items())
    # One pass fills all places, so that no text of the data can name another place.
    return Template(html).substitute(policy=escape(policy), style=style, data=blocks, script=script)


def data_block(name: str, value: object) -> str:
    """A value as a script element that does not run.

    >>> data_block("a", "</script>")
    '<script type="application/json" id="a">"\\\\u003c/script\\\\u003e"</script>'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    safe = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'<script type="application/json" id="{name}">{safe}</script>'


def asset(package: str, name: str) -> str:
    """A file of a package's assets."""
    return files(package).joinpath("assets", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
