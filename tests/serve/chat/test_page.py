import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.page import ChatPage
from serve.chat.store.database import open_database
from serve.run_state import write_state
from tests.serve.chat.on_page import LONG, SLOW, answered, ask, button, message_box, replies, wait_until
from tests.serve.conftest import free_port
from tests.serve.scripted_server import MODEL, ScriptedServer, running

pytestmark = pytest.mark.browser


def test_a_question_is_answered_word_by_word(page: Page, scripted: ScriptedServer, artifacts: Path) -> None:
    scripted.replies, scripted.seconds_per_word = [LONG], 0.03
    ask(page, "Count, please.", wait=False)
    expect(replies(page)).to_contain_text("word2")
    expect(button(page, "Stop")).to_be_visible()
    early = replies(page).inner_text()
    expect(replies(page)).to_contain_text("word30")
    expect(replies(page)).to_have_text(LONG)
    assert "word30" not in early
    expect(message_box(page)).to_have_value("")
    page.screenshot(path=artifacts / "chat.png")
    assert (artifacts / "chat.png").stat().st_size > 10_000


def test_stop_acts_at_once_and_keeps_the_text(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [LONG, "More."], SLOW
    ask(page, "Count, please.", wait=False)
    expect(replies(page)).to_contain_text("word3")
    began = time.monotonic()
    button(page, "Stop").click()
    expect(button(page, "Send")).to_be_visible()
    wait_until(lambda: scripted.aborted == [0], seconds=1)
    assert scripted.aborted == [0]
    assert time.monotonic() - began < 1
    kept = replies(page).inner_text()
    assert kept.startswith("word0 word1 word2 word3")
    assert "word59" not in kept
    ask(page, "Go on.")
    assert [m["role"] for m in scripted.requests[1]["messages"]] == ["user", "assistant", "user"]
    assert scripted.requests[1]["messages"][1]["content"] == kept


def test_stop_before_the_first_word_keeps_the_question_and_offers_a_retry(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [" " * 100, "There."], SLOW
    ask(page, "Silence?", wait=False)
    button(page, "Stop").click()
    answered(page)
    scripted.seconds_per_word = 0
    button(page, "Try again").click()
    expect(replies(page)).to_have_text(["There."])


def test_the_history_keeps_replies_as_received(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = [" \n Hello *you*.", "Yes."]
    ask(page, "Hello")
    expect(replies(page).locator("em")).to_have_text("you")
    ask(page, "Again")
    assert scripted.requests[1]["messages"][1] == {"role": "assistant", "content": " \n Hello *you*."}


def test_an_error_is_shown_with_a_retry_that_keeps_the_text(page: Page, scripted: ScriptedServer) -> None:
    scripted.error = (400, "This model's maximum context length is 2048 tokens. However, you requested 2360 tokens.")
    ask(page, "Too much")
    expect(page.get_by_role("alert")).to_contain_text("This conversation is 312 tokens too long for the model's 2,048")
    scripted.error = None
    button(page, "Try again").click()
    expect(replies(page)).to_have_text("Hello.")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert scripted.requests[1]["messages"] == [{"role": "user", "content": "Too much"}]


def test_a_page_that_is_opened_too_early_goes_on_when_the_model_is_there(page: Page, scripted: ScriptedServer) -> None:
    scripted.is_starting = True
    page.reload()
    expect(page.get_by_role("status").first).to_contain_text("still loading the model")
    scripted.is_starting = False
    expect(page.get_by_role("combobox", name="Model")).to_have_value(MODEL, timeout=10_000)
    expect(page.locator("#notice-text")).to_be_hidden()
    ask(page, "Hello")
    expect(replies(page)).to_have_text("Hello.")


def test_the_seconds_until_the_model_is_there_are_counted_down(
    page: Page, scripted: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = scripted.base_url.removesuffix("/v1")
    engine = {"name": "engine", "url": root, "state": "starting", "since": time.time(), "usual_seconds": 40}
    write_state(tmp_path, [engine])
    monkeypatch.setenv("CHAKU_RUN", str(tmp_path))
    scripted.is_starting = True
    page.reload()
    notice = page.locator("#notice-text")
    expect(notice).to_contain_text("The model is starting, about ")
    first = int("".join(filter(str.isdigit, notice.inner_text())))
    assert first <= 40
    expect(notice).to_contain_text(f"about {first - 2} s left", timeout=10_000)
    message_box(page).fill("Kept while it starts")
    scripted.is_starting = False
    expect(notice).to_be_hidden(timeout=10_000)
    button(page, "Send").click()
    expect(replies(page)).to_have_text("Hello.")


def test_the_models_of_two_servers_are_offered_and_asked(
    chromium: Browser, scripted: ScriptedServer, tmp_path: Path
) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    with running(ScriptedServer(replies=["From the other."], models=("alpaca",))) as other:
        apis = connect([scripted.base_url, other.base_url, "http://127.0.0.1:9/v1"], keys=None)
        chat = ChatPage(Context(engine=engine, endpoint=apis), users=None)
        chat.launch(port=(port := free_port()))
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.get_by_role("combobox", name="Model").locator("option")).to_have_text([MODEL, "alpaca"])
        expect(page.locator("#notice-text")).to_contain_text("No server answers at http://127.0.0.1:9/v1")
        page.get_by_role("combobox", name="Model").select_option("alpaca")
        ask(page, "Who are you?")
        expect(replies(page)).to_have_text("From the other.")
        assert [request["model"] for request in other.requests] == ["alpaca"]
        page.goto(f"http://127.0.0.1:{port}/arena")
        expect(page.locator("option", has_text="alpaca").first).to_be_attached()
        page.close()
        chat.close()


def test_a_broken_connection_keeps_what_arrived_and_it_can_go_on(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.break_after, scripted.seconds_per_word = ["one two three", " and more"], 2, SLOW
    ask(page, "Count")
    expect(replies(page)).to_have_text("one two")
    expect(page.get_by_role("alert")).to_contain_text("broke")
    scripted.break_after = None
    button(page, "Continue").click()
    expect(replies(page)).to_have_text("one two and more")


def test_settings_reach_the_model_and_come_back_with_the_conversation(page: Page, scripted: ScriptedServer) -> None:
    button(page, "Settings").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.1")
    page.get_by_label("Max tokens").fill("9")
    page.get_by_label("Seed").fill("7")
    ask(page, "Hello")
    request = scripted.requests[0]
    assert request["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (request["temperature"], request["max_tokens"], request["seed"]) == (0.1, 9, 7)
    assert "top_p" not in request
    page.reload()
    expect(page.get_by_label("System prompt")).to_have_value("Be brief.")
    expect(page.get_by_label("Seed")).to_have_value("7")


def test_figures_and_what_no_longer_fits_are_said(page: Page, scripted: ScriptedServer) -> None:
    scripted.context, scripted.replies = 120, ["x " * 59 + "."]
    page.reload()
    page.locator("body.ready").wait_for()
    for number in range(3):
        ask(page, f"Question {number}")
    expect(page.locator(".figures").first).to_contain_text("2 + 60 tokens · 58 left")
    expect(page.locator(".notice")).to_contain_text("The first 2 messages no longer fit the 120 tokens")


def test_shift_enter_breaks_the_line_and_an_example_is_sent(page: Page, scripted: ScriptedServer) -> None:
    page.get_by_role("button", name="binary search").click()
    expect(replies(page)).to_have_text("Hello.")
    message_box(page).fill("one")
    message_box(page).press("Shift+Enter")
    message_box(page).press_sequentially("two")
    message_box(page).press("Enter")
    expect(replies(page)).to_have_count(2)
    assert "binary search" in scripted.requests[0]["messages"][0]["content"]
    assert scripted.requests[1]["messages"][-1]["content"] == "one\ntwo"


def test_money_is_no_mathematics(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = [r"It costs $4 and $5, and \(a^2\) or $$b^2$$ is mathematics."]
    ask(page, "How much? $4 and $5, or \\(c\\)")
    expect(replies(page)).to_contain_text("It costs $4 and $5, and")
    expect(replies(page).locator("math")).to_have_count(2)
    expect(page.get_by_test_id("user").locator("math")).to_have_count(0)


def test_sixty_four_replies_stream_at_once(chat_url: str, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = ["one two"], 5.0
    body = {"do": "send", "id": "", "text": "Hello", "settings": {}}

    def send(_: int) -> str:
        view = httpx.post(f"{chat_url}chat/act", json=body, headers={"x-chaku": "1"}, timeout=30).json()
        growing: str = view["growing"]
        return growing

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(send, range(64)))
    wait_until(lambda: len(scripted.finished) == 64, seconds=60)
    assert scripted.most_at_once == 64


def test_keys_stop_a_reply_and_show_the_shortcuts(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [LONG], SLOW
    ask(page, "Count, please.", wait=False)
    expect(replies(page)).to_contain_text("word1")
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped.")).to_be_visible()
    page.locator("#conversation").press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_chinese_is_one_click_away(page: Page) -> None:
    button(page, "中文").click()
    expect(button(page, "发送")).to_be_visible()
    expect(page.get_by_text("想聊些什么？")).to_be_visible()
    button(page, "English").click()
    expect(button(page, "Send")).to_be_visible()


def test_every_control_has_a_name_in_each_language(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = ["```python\nx = 1\n```"]
    ask(page, "Show code")
    button(page, "Settings").click()
    english = names(page)
    expect(page.locator(".code-head").get_by_role("button", name="Copy")).to_be_visible()
    button(page, "中文").click()
    expect(button(page, "发送")).to_be_visible()
    button(page, "设置").click()
    expect(page.locator(".code-head").get_by_role("button", name="复制")).to_be_visible()
    chinese = names(page)
    assert "" not in english + chinese
    own = {MODEL, "Show code", "Top-p", "English", "中文"}
    assert {name for name in english if name in chinese} <= own


def names(page: Page) -> list[str]:
    """What a screen reader says of each control that is shown."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, select')].filter(e => e.checkVisibility())
            .map(e => e.getAttribute('aria-label') || e.title || e.innerText.trim() ||
                [...(e.labels || [])].map(l => l.textContent.trim()).join(' '))"""
    )
    return found


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_the_page_fits_any_width(page: Page, scripted: ScriptedServer, width: int) -> None:
    scripted.replies = ["```\n" + "x" * 400 + "\n```\n\n" + "y" * 400]
    page.set_viewport_size({"width": width, "height": 740})
    ask(page, "z" * 400)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = message_box(page).bounding_box()
    assert box is not None
    assert box["y"] > 740 - 140


def test_the_page_ends_quickly_on_sigterm_and_names_a_busy_port(scripted: ScriptedServer, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "chaku", "chat", "--base-url", scripted.base_url, "--port", str(port)]
    command += ["--db", f"sqlite:///{tmp_path / 'chat.sqlite'}"]
    first = subprocess.Popen(command)
    try:
        wait_for(f"http://127.0.0.1:{port}/")
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 2
        assert f"--port {port}" in second.stderr
        began = time.monotonic()
        first.send_signal(signal.SIGTERM)
        assert first.wait(timeout=10) == 0
        assert time.monotonic() - began < 5
    finally:
        first.kill()


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own page
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)
