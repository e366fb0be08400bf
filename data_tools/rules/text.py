"""The cleaning rules of a turn's text: small, named, versioned, applied in this order, each counted.

User turns are literal text: tags in them are content.
"""

from collections.abc import Callable
from typing import NamedTuple

from data_tools.rules.characters import control_characters, line_endings, lone_surrogates, symbol_bullets, zero_width
from data_tools.rules.debris import interface_debris, variant_counter
from data_tools.rules.html_markdown import is_html, to_markdown
from data_tools.rules.mask import mask_email, mask_key, mask_phone
from data_tools.rules.unicode_repair import broken_unicode, composed_unicode
from templates import ROLES, Role

_ANYONE: tuple[Role, ...] = ROLES


def html_reply(text: str) -> str:
    """Turn a reply that is rendered HTML back to markdown; markdown passes unchanged."""
    return to_markdown(text) if text.lstrip()[:1] == "<" and is_html(text) else text


def outer_whitespace(text: str) -> str:
    """Drop whitespace before and after the text."""
    return text.strip()


class Rule(NamedTuple):
    """A cleaning rule: the roles whose turns it may change, and whether it is on unless a rules file says otherwise.

    `version` is raised whenever the rule's result changes; the manifest records it. `in_plain`: it may find
    something in a plain text (`is_plain`).
    """

    name: str
    version: int
    roles: tuple[Role, ...]
    function: Callable[[str], str]
    on: bool = True
    in_plain: bool = True


# Broken unicode is mended while the control characters are there that it is made of. HTML comes early, since the
# markdown that it becomes is looked through in less time.
RULES = (
    Rule("lone_surrogates", 1, _ANYONE, lone_surrogates, in_plain=False),
    Rule("broken_unicode", 1, _ANYONE, broken_unicode, on=False),
    Rule("html_reply", 2, ("assistant",), html_reply),
    Rule("line_endings", 1, _ANYONE, line_endings, in_plain=False),
    Rule("control_characters", 1, _ANYONE, control_characters, in_plain=False),
    Rule("zero_width", 2, _ANYONE, zero_width, in_plain=False),
    Rule("symbol_bullets", 1, _ANYONE, symbol_bullets, in_plain=False),
    Rule("composed_unicode", 1, _ANYONE, composed_unicode, on=False),
    Rule("interface_debris", 2, ("user", "assistant"), interface_debris),
    Rule("variant_counter", 1, ("user",), variant_counter),
    Rule("mask_email", 1, _ANYONE, mask_email, on=False),
    Rule("mask_phone", 1, _ANYONE, mask_phone, on=False),
    Rule("mask_key", 1, _ANYONE, mask_key, on=False),
    Rule("outer_whitespace", 1, _ANYONE, outer_whitespace),
)
