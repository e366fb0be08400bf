import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.chat.turns import as_plain, shown


@given(st.text())
def test_plain_text_comes_back_and_holds_no_markup(text: str) -> None:
    """A browser reads references as Python's html does, but for the few code points HTML itself forbids."""
    plain = as_plain(text)
    assert not re.search(r"[<>`*_\[\]\\$|~:\n\t]", plain)
    back = re.sub(r"&#(\d+);", lambda match: chr(int(match.group(1))), plain)
    assert back == text


@pytest.mark.parametrize("text", ["# no heading", "1. no list", "    no code", "a\n\nb", "https://x.y", "![i](u)"])
def test_markdown_in_a_users_words_is_spelled_out(text: str) -> None:
    assert unescape(as_plain(text)) == text
    assert as_plain(text) != text


def test_prose_stays_readable_for_screen_readers() -> None:
    prose = "What's new, and why? Tell me. Now!"
    assert as_plain(prose) == prose


def test_replies_are_shown_without_their_leading_space_and_kept_with_it() -> None:
    history = [{"role": "user", "content": "*a*"}, {"role": "assistant", "content": "\n  **b** "}]
    assert shown(history) == [
        {"role": "user", "content": "&#42;a&#42;"},
        {"role": "assistant", "content": "**b** "},
    ]
    assert history[1]["content"] == "\n  **b** "
