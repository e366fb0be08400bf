"""What was typed and not sent stays: over a reload, another conversation, a new page process; for its person alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.page import ChatPage
from serve.chat.store.database import open_database
from serve.chat.user_file import UserFile, add_user
from tests.serve.chat.on_page import ask, button, message_box
from tests.serve.conftest import free_port
from tests.serve.scripted_server import ScriptedServer

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


def reload(page: Page) -> None:
    page.reload()
    page.locator("body.ready").wait_for()


def test_each_conversation_keeps_its_own_text_until_it_is_sent(page: Page, scripted: ScriptedServer) -> None:
    ask(page, "About alpacas")
    message_box(page).fill("And what do\nthey eat?")
    button(page, "New chat").click()
    expect(message_box(page)).to_have_value("")
    message_box(page).fill("About llamas")
    reload(page)
    expect(message_box(page)).to_have_value("About llamas")
    message_box(page).press("Enter")
    expect(page.get_by_test_id("bot")).to_have_text("Hello.")
    expect(message_box(page)).to_have_value("")
    button(page, "New chat").click()
    expect(message_box(page)).to_have_value("")
    page.locator("#conversation-list").get_by_role("link", name="About alpacas", exact=True).first.click()
    expect(message_box(page)).to_have_value("And what do\nthey eat?")
    message_box(page).press("Enter")
    expect(message_box(page)).to_have_value("")
    reload(page)
    expect(message_box(page)).to_have_value("")


def test_a_text_that_the_page_could_not_send_is_there_after_a_reload(page: Page, scripted: ScriptedServer) -> None:
    ask(page, "First")
    page.route("**/chat/act", lambda route: route.abort())
    message_box(page).fill("Second")
    message_box(page).press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("What you typed stays")
    reload(page)
    expect(message_box(page)).to_have_value("Second")


@pytest.fixture
def browsing(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def launch(folder: Path, scripted: ScriptedServer, *, port: int) -> ChatPage:
    engine = open_database(f"sqlite:///{folder / 'chat.sqlite'}")
    context = Context(engine=engine, endpoint=connect([scripted.base_url], keys=None))
    page = ChatPage(context, users=UserFile(folder / "users.json"))
    page.launch(port=port)
    return page


def log_in(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("body.ready").wait_for()


def test_a_text_outlives_the_pages_process_and_is_its_persons_alone(
    browsing: Page, scripted: ScriptedServer, tmp_path: Path
) -> None:
    for name in ("ann", "ben"):
        add_user(tmp_path / "users.json", name, PASSWORD)
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    first = launch(tmp_path, scripted, port=port)
    log_in(browsing, url, "ann")
    message_box(browsing).fill("A secret")
    first.close()
    second = launch(tmp_path, scripted, port=port)
    reload(browsing)
    expect(message_box(browsing)).to_have_value("A secret")
    browsing.context.clear_cookies()  # a session that ends leaves the text
    log_in(browsing, url, "ben")
    expect(message_box(browsing)).to_have_value("")
    browsing.context.clear_cookies()
    log_in(browsing, url, "ann")
    expect(message_box(browsing)).to_have_value("A secret")
    browsing.get_by_role("link", name="Log out").click()
    expect(browsing.get_by_label("Password")).to_be_visible()
    assert "A secret" not in browsing.evaluate("JSON.stringify(localStorage)")
    second.close()
