from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from serve.chat.context import Context
from serve.chat.votes import Vote, add_vote
from tests.serve.scripted_server import MODEL, ScriptedServer

pytestmark = pytest.mark.browser


@pytest.fixture(params=["light", "dark"])
def any_page(
    chromium: Browser, chat_url: str, scripted: ScriptedServer, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """The page in each colour scheme, open to the examiner's own script."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme=request.param, reduced_motion="reduce", bypass_csp=True
    )
    page = context.new_page()
    page.goto(f"{chat_url}?c=")
    page.locator("body.ready").wait_for()
    yield page
    context.close()


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]


def test_axe_finds_no_serious_violation(any_page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = [
        "# Title\n\n- a\n\n```python\nx = 1  # one\n```\n\n| a |\n|---|\n| 1 |\n\n\\(a^2\\) [l](http://x)"
    ]
    assert serious(any_page) == []
    any_page.get_by_role("textbox", name="Message").fill("Hello")
    any_page.get_by_role("textbox", name="Message").press("Enter")
    expect(any_page.get_by_role("button", name="Good reply")).to_be_visible()
    any_page.get_by_role("button", name="Good reply").click()
    any_page.get_by_role("button", name="Settings", exact=True).click()
    any_page.wait_for_timeout(400)
    assert serious(any_page) == []
    any_page.locator("#conversation").press("?")
    assert serious(any_page) == []


@pytest.mark.parametrize("path", ["arena", "data"])
def test_axe_finds_none_on_the_other_pages(
    path: str, any_page: Page, chat_url: str, chat_context: Context, scripted: ScriptedServer
) -> None:
    scripted.models = (MODEL, "guanaco")
    asked = [{"role": "user", "content": "Hi"}]
    vote = Vote(messages=asked, model_a=MODEL, model_b="guanaco", answer_a="1", answer_b="2", winner="a")
    add_vote(chat_context.engine, vote, owner="")
    any_page.goto(f"{chat_url}{path}")
    if path == "arena":
        any_page.get_by_label("Prompt").fill("Hi")
        any_page.get_by_role("button", name="Ask both").click()
        expect(any_page.get_by_role("button", name="A is better")).to_be_visible()
    assert serious(any_page) == []
