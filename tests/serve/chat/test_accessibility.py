"""What axe-core says of every page, on a phone in the dark and on a desk in the light."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.testclient import TestClient

from serve.chat.context import Context
from serve.chat.login import Login
from serve.chat.store import conversations, messages, shares
from serve.chat.user_file import UserFile, add_user
from serve.chat.votes import Vote, add_vote
from templates.loading import load_encoder
from tests.serve.scripted_server import MODEL, ScriptedServer

pytestmark = pytest.mark.browser
# Colours do not depend on the width, so two pairs show what four would.
LOOKS = ((360, "dark"), (1280, "light"))
REPLY = "# Title\n\n- a\n\n```python\nx = 1  # one\n```\n\n| a |\n|---|\n| 1 |\n\n\\(a^2\\) [l](http://x)"


@pytest.fixture(params=LOOKS, ids=lambda param: f"{param[0]}-{param[1]}")
def any_page(chromium: Browser, scripted: ScriptedServer, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of each width, open to the examiner's own script."""
    width, scheme = request.param
    scripted.replies, scripted.models = [REPLY], (MODEL, "guanaco")
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
    )
    yield context.new_page()
    context.close()


def complaints(page: Page) -> list[str]:
    """Violations that weigh, and whether the page is wider than its window."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    said = [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]
    is_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*said, "scrolls sideways"] if is_wide else said


def test_the_chat(any_page: Page, chat_url: str) -> None:
    any_page.goto(f"{chat_url}?c=")
    any_page.locator("body.ready").wait_for()
    assert complaints(any_page) == []
    any_page.get_by_role("textbox", name="Message").fill("Hello")
    any_page.get_by_role("textbox", name="Message").press("Enter")
    any_page.get_by_role("button", name="Good reply").click()
    any_page.get_by_role("button", name="Correct this reply").click()
    assert complaints(any_page) == []
    any_page.get_by_role("button", name="Settings", exact=True).click()
    expect(any_page.locator("#settings.open")).to_be_visible()
    any_page.locator("#conversation").press("?")
    any_page.wait_for_timeout(300)  # the settings slide in
    assert complaints(any_page) == []


def test_the_arena_and_the_data_page(any_page: Page, chat_url: str, chat_context: Context) -> None:
    asked = [{"role": "user", "content": "Hi"}]
    vote = Vote(messages=asked, model_a=MODEL, model_b="guanaco", answer_a="1", answer_b="2", winner="a")
    add_vote(chat_context.engine, vote, owner="")
    any_page.goto(f"{chat_url}arena")
    any_page.get_by_label("Prompt").fill("Hi")
    any_page.get_by_role("button", name="Ask both").click()
    expect(any_page.get_by_role("button", name="A is better")).to_be_visible()
    assert complaints(any_page) == []
    any_page.goto(f"{chat_url}data")
    assert complaints(any_page) == []


def replied(engine: Engine) -> tuple[str, str]:
    """A conversation with a reply of every kind of markup, and that reply."""
    made = conversations.create(engine, "", model=MODEL, settings={}).id
    messages.add(engine, "", made, role="user", content="Hello")
    return made, messages.add(engine, "", made, role="assistant", content=REPLY, model=MODEL).id


def test_the_inspector(
    any_page: Page, chat_url: str, chat_context: Context, scripted: ScriptedServer, small_model: Path
) -> None:
    scripted.root, scripted.prompt_ids = str(small_model), load_encoder("vicuna_v1.1", small_model).encode_prompt
    any_page.goto(f"{chat_url}inspect?message={replied(chat_context.engine)[1]}")
    any_page.get_by_label("show all ids").check()
    assert complaints(any_page) == []


def test_a_shared_conversation_and_the_login(
    any_page: Page, chat_url: str, chat_context: Context, tmp_path: Path
) -> None:
    token = shares.share(chat_context.engine, "", replied(chat_context.engine)[0])
    any_page.goto(f"{chat_url}share?t={token}")
    assert complaints(any_page) == []
    any_page.set_content(login_form(tmp_path))
    assert complaints(any_page) == []


def login_form(folder: Path) -> str:
    """The form as it is after a wrong password."""
    add_user(folder / "users.json", "ann", "correct horse battery")

    client = TestClient(Login(Starlette(), users=UserFile(folder / "users.json")))
    return client.post("/login", data={"name": "ann", "password": "another horse"}).text
