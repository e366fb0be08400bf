"""Hostile text in every field runs nothing and loads nothing."""

import pytest
from playwright.sync_api import Page, expect

from tests.serve.chat.on_page import answered, ask, button, last, message_box, replies
from tests.serve.scripted_server import ScriptedServer

pytestmark = pytest.mark.browser

PAYLOADS = (
    "<script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=1'>",
    "<img src=https://evil.example/pixel.png> ![p](https://evil.example/markdown.png)",
    "<svg onload=window.hacked=1><animate onbegin=window.hacked=1 attributeName=x dur=1s>",
    "[click](javascript:window.hacked=1) <a href='javascript:window.hacked=1'>x</a>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe><iframe src=https://evil.example/></iframe>",
    "<style>@import url(https://evil.example/a.css); body{background:url(https://evil.example/b.png)}</style>",
    "<link rel=stylesheet href=https://evil.example/c.css><video src=https://evil.example/v autoplay></video>",
    "<form action=https://evil.example><button>go</button></form><details open ontoggle=window.hacked=1>d</details>",
    "$$\\href{javascript:window.hacked=1}{x} \\includegraphics{https://evil.example/k.png}$$",
    "```html\n<img src=x onerror=window.hacked=1>\n```",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.hacked=1&gt;'>",
)


def test_hostile_text_runs_nothing_and_loads_nothing(page: Page, scripted: ScriptedServer, outside: list[str]) -> None:
    hostile = "\n\n".join(PAYLOADS)
    scripted.replies = [hostile]
    button(page, "Settings").click()
    page.get_by_label("System prompt").fill(hostile)
    message_box(page).fill(hostile)
    message_box(page).press("Enter")
    expect(replies(page)).to_contain_text("window.hacked")
    answered(page)
    page.reload()
    expect(replies(page)).to_contain_text("window.hacked")
    page.wait_for_timeout(300)
    for link in replies(page).locator("a").all():
        assert not (link.get_attribute("href") or "").lower().startswith("javascript:")
    assert page.locator("#log, #conversation-list").locator("img, script, iframe, form, style, object").count() == 0
    assert page.get_by_test_id("user").inner_text() == hostile
    assert page.evaluate("window.hacked") is None
    assert outside == []


@pytest.mark.parametrize("payload", PAYLOADS[:3])
def test_hostile_titles_errors_and_reasons_run_nothing(
    page: Page, scripted: ScriptedServer, outside: list[str], payload: str
) -> None:
    scripted.error = (400, payload)
    ask(page, payload)
    expect(page.get_by_role("alert")).to_contain_text("window.hacked" if "hacked" in payload else "evil.example")
    scripted.error = None
    button(page, "Try again").click()
    last(page, "Good reply").click()
    page.get_by_role("textbox", name="Why?").fill(f'"{payload}')
    page.get_by_role("textbox", name="Why?").press("Enter")
    button(page, "Share").click()
    link = page.get_by_role("textbox", name="Share this conversation").input_value()
    page.reload()
    page.locator("body.ready").wait_for()
    expect(page.get_by_role("textbox", name="Why?")).to_have_value(f'"{payload}')
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_contain_text(payload[:20])
    assert page.locator("img, script, iframe, svg, form, a").count() == 0
    assert page.evaluate("window.hacked") is None
    assert outside == []
