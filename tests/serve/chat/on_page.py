"""What a person does on the chat page, for its tests."""

import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

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
        answered(page)


def answered(page: Page) -> None:
    """Wait until the reply is over."""
    expect(page.locator("body.replying")).to_have_count(0)


def last(page: Page, name: str) -> Locator:
    """The button of this name under the last turn that has one."""
    return page.locator("#log").get_by_role("button", name=name, exact=True).last


def wait_until(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
