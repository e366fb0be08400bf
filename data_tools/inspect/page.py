"""The page of a prepared directory: the whole, the span table, and a block of data a conversation and a rule."""

from pathlib import Path

from data_tools.atomic import whole_file
from data_tools.html_page import assemble, asset
from data_tools.inspect.collect import Content

_SCRIPTS = ("plots.js", "conversation.js", "list.js", "page.js")


def write_page(content: Content, path: Path) -> None:
    """Write the page whole or not at all. Raises InputError where it cannot be written."""
    with whole_file(path) as temporary:
        temporary.write_text(to_page(content), encoding="utf-8")


def to_page(content: Content) -> str:
    """The page's text."""
    data = {
        "overview": content.overview,
        "spans": content.spans,
        **{f"conversation-{number}": one for number, one in enumerate(content.conversations)},
        **{f"rejected-{number}": one for number, one in enumerate(content.rejected)},
    }
    return assemble(
        html=_asset("page.html"),
        styles=[asset("data_tools", "base.css"), _asset("page.css")],
        scripts=[asset("data_tools", "dom.js"), *map(_asset, _SCRIPTS)],
        data=data,
    )


def _asset(name: str) -> str:
    return asset("data_tools.inspect", name)
