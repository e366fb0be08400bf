import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.serve.conftest import free_port
from tests.serve.scripted_server import ScriptedServer

pytestmark = pytest.mark.browser

SLOW = 0.1
LONG = " ".join(f"word{n}" for n in range(60))


def message_box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def replies(page: Page) -> Locator:
    return page.get_by_test_id("bot")


def ask(page: Page, text: str, *, wait: bool = True) -> None:
    message_box(page).fill(text)
    message_box(page).press("Enter")
    if wait:
        expect(page.get_by_test_id("user").last).to_have_text(text)
        expect(button(page, "Regenerate")).to_be_enabled()


def test_a_question_is_answered_word_by_word(page: Page, scripted: ScriptedServer, artifacts: Path) -> None:
    scripted.replies, scripted.seconds_per_word = [LONG], 0.03
    ask(page, "Count, please.", wait=False)
    expect(replies(page)).to_contain_text("word2")
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


def test_stop_before_the_first_word_gives_the_question_back(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [" " * 100], SLOW
    ask(page, "Silence?", wait=False)
    button(page, "Stop").click()
    expect(message_box(page)).to_have_value("Silence?")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_regenerate_replaces_the_last_reply(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = ["First.", "Second."]
    ask(page, "Say something.")
    button(page, "Regenerate").click()
    expect(replies(page)).to_have_text(["Second."])
    assert scripted.requests[1]["messages"] == scripted.requests[0]["messages"]


def test_clear_empties_the_page_and_the_history(page: Page, scripted: ScriptedServer) -> None:
    ask(page, "Hello")
    button(page, "Clear").click()
    expect(replies(page)).to_have_count(0)
    expect(page.get_by_text("What shall we talk about?")).to_be_visible()
    ask(page, "Anew")
    assert scripted.requests[1]["messages"] == [{"role": "user", "content": "Anew"}]


def test_the_history_keeps_replies_as_received(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = [" \n Hello *you*.", "Yes."]
    ask(page, "Hello")
    expect(replies(page).locator("em")).to_have_text("you")
    ask(page, "Again")
    assert scripted.requests[1]["messages"][1] == {"role": "assistant", "content": " \n Hello *you*."}


def test_an_error_is_shown_and_the_text_stays(page: Page, scripted: ScriptedServer) -> None:
    scripted.error = (400, "This model's maximum context length is 2048 tokens.")
    ask(page, "Too much", wait=False)
    expect(page.get_by_role("alert")).to_contain_text("too long for the model")
    expect(message_box(page)).to_have_value("Too much")
    expect(button(page, "Send")).to_be_visible()
    scripted.error = None
    message_box(page).press("Enter")
    expect(replies(page)).to_have_text("Hello.")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_broken_connection_keeps_what_arrived(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.break_after, scripted.seconds_per_word = ["one two three"], 2, SLOW
    ask(page, "Count")
    expect(page.get_by_role("alert")).to_contain_text("broke")
    expect(replies(page)).to_have_text("one two")


def test_settings_reach_the_model(page: Page, scripted: ScriptedServer) -> None:
    button(page, "Settings").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("number input for Temperature").fill("0.1")
    page.get_by_label("Max tokens").fill("9")
    page.get_by_label("Max tokens").press("Tab")
    ask(page, "Hello")
    request = scripted.requests[0]
    assert request["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (request["temperature"], request["max_tokens"]) == (0.1, 9)


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
    expect(replies(page).locator(".katex")).to_have_count(2)
    expect(page.get_by_test_id("user").locator(".katex")).to_have_count(0)


def test_closing_the_page_ends_its_reply(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [LONG], SLOW
    ask(page, "Count, please.", wait=False)
    expect(replies(page)).to_contain_text("word3")
    page.close()
    wait_until(lambda: scripted.aborted == [0], seconds=3)
    assert scripted.aborted == [0]


def test_sixty_four_pages_stream_at_once(chat_url: str, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = ["one two three"], 3.0
    dependencies = httpx.get(f"{chat_url}config").json()["dependencies"]
    send = next(each["id"] for each in dependencies if "submit" in str(each["targets"]))
    for n in range(64):
        body = {"data": [None, "Hello", "", 0.7, 0.9, 0], "fn_index": send, "session_hash": f"page{n}"}
        assert httpx.post(f"{chat_url}gradio_api/queue/join", json=body).is_success
    wait_until(lambda: len(scripted.requests) == 64, seconds=20)
    assert len(scripted.requests) == 64
    wait_until(lambda: len(scripted.finished) == 64, seconds=60)
    assert scripted.most_at_once == 64


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
    message_box(page).fill(hostile)
    message_box(page).press("Enter")
    expect(button(page, "Regenerate")).to_be_enabled()
    page.wait_for_timeout(300)
    for link in replies(page).locator("a").all():
        assert not (link.get_attribute("href") or "").lower().startswith("javascript:")
    expect(page.get_by_test_id("user").locator("img, script, iframe, a, svg, form, style, pre")).to_have_count(0)
    assert page.get_by_test_id("user").inner_text() == hostile
    assert page.evaluate("window.hacked") is None
    assert outside == []


def test_every_control_has_a_name(page: Page) -> None:
    button(page, "Settings").click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, select')].filter(e => e.checkVisibility() &&
            !(e.getAttribute('aria-label') || e.title || e.innerText.trim() ||
              [...(e.labels || [])].some(l => l.textContent.trim()))).map(e => e.outerHTML)"""
    )
    assert nameless == []


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_the_page_fits_any_width(page: Page, scripted: ScriptedServer, width: int) -> None:
    scripted.replies = ["```\n" + "x" * 400 + "\n```\n\n" + "y" * 400]
    page.set_viewport_size({"width": width, "height": 740})
    ask(page, "z" * 400)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = message_box(page).bounding_box()
    assert box is not None
    assert box["y"] > 740 - 140


def test_the_page_ends_quickly_on_sigterm_and_names_a_busy_port(scripted: ScriptedServer) -> None:
    port = free_port()
    command = [sys.executable, "-m", "chaku", "chat", "--base-url", scripted.base_url, "--port", str(port)]
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


def wait_until(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own page
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)
