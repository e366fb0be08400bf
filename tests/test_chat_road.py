"""The chat page in front of real vLLM: figures, stopping, going on, and the same conversation after a reload."""

import pytest
from playwright.sync_api import Browser, expect

from tests.road import Served

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def test_a_reply_is_counted_stopped_and_goes_on(served: Served, chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(served.page)
    page.locator("body.ready").wait_for()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("vicuna")
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_label("Max tokens").fill("12")
    page.get_by_label("Temperature").fill("0")
    box, reply = page.get_by_role("textbox", name="Message"), page.get_by_test_id("bot")
    box.fill("Write a long story about the animals of the Andes.")
    box.press("Enter")
    figures = page.locator(".figures")
    expect(figures).to_contain_text("+ 12 tokens", timeout=60_000)
    expect(figures).to_contain_text("tokens/s")
    first = reply.inner_text()
    page.get_by_label("Max tokens").fill("200")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("body.replying")).to_have_count(1)
    expect(reply).not_to_have_text(first, timeout=30_000)
    page.keyboard.press("Escape")
    expect(page.locator("body.replying")).to_have_count(0)
    shown = reply.inner_text()
    assert shown.startswith(first[:30])
    page.reload()
    expect(reply).to_have_text(shown)
    page.close()
