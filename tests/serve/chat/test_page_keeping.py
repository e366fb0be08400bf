"""What the page keeps: versions, corrections, the side bar, replies that outlive their page, and share links."""

import re

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.serve.chat.on_page import LONG, answered, ask, button, last, message_box, replies, wait_until
from tests.serve.scripted_server import ScriptedServer

pytestmark = pytest.mark.browser


def test_versions_of_a_reply_and_of_a_question_can_be_switched(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = ["First.", "Second.", "Third."]
    ask(page, "Say something.")
    last(page, "Regenerate").click()
    expect(replies(page)).to_have_text(["Second."])
    assert scripted.requests[1]["messages"] == scripted.requests[0]["messages"]
    expect(page.locator(".versions")).to_have_text("2/2")
    last(page, "Earlier version").click()
    expect(replies(page)).to_have_text(["First."])
    last(page, "Edit").click()
    page.locator(".editing textarea").fill("Say more.")
    page.locator(".editing textarea").press("Enter")
    expect(replies(page)).to_have_text(["Third."])
    assert scripted.requests[2]["messages"] == [{"role": "user", "content": "Say more."}]
    last(page, "Earlier version").click()
    expect(page.get_by_test_id("user")).to_have_text(["Say something."])


def test_a_correction_a_thumb_and_its_reason_stay_after_a_reload(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = ["Five."]
    ask(page, "Two and two?")
    last(page, "Bad reply").click()
    page.get_by_role("textbox", name="Why?").fill("wrong")
    page.get_by_role("textbox", name="Why?").press("Enter")
    last(page, "Correct this reply").click()
    page.locator(".editing textarea").fill("Four.")
    button(page, "Save").click()
    expect(replies(page)).to_have_text(["Four."])
    page.reload()
    expect(replies(page)).to_have_text(["Four."])
    last(page, "Earlier version").click()
    expect(page.get_by_role("textbox", name="Why?")).to_have_value("wrong")


def test_undo_and_delete(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = ["One.", "Two."]
    ask(page, "First")
    ask(page, "Second")
    last(page, "Undo").click()
    expect(replies(page)).to_have_text(["One."])
    expect(message_box(page)).to_have_value("Second")
    last(page, "Delete").click()
    expect(replies(page)).to_have_count(0)


def test_the_side_bar_finds_renames_pins_and_deletes(page: Page, scripted: ScriptedServer) -> None:
    ask(page, "Alpacas hum")
    button(page, "New chat").click()
    ask(page, "Llamas spit")
    entries = page.locator("#conversation-list li a")
    expect(entries.first).to_have_text("Llamas spit")
    page.get_by_role("textbox", name="Search conversations").fill("alpacas hum")
    expect(entries).to_have_text(["Alpacas hum"])
    entries.first.hover()
    button(page, "Rename Alpacas hum").click()
    page.locator("input.rename").fill("Humming")
    page.locator("input.rename").press("Enter")
    expect(entries).to_have_text(["Humming"])
    page.get_by_role("textbox", name="Search conversations").fill("")
    expect(entries.nth(1)).to_be_visible()
    entries.get_by_text("Humming").hover()
    button(page, "Pin Humming").click()
    expect(entries.first).to_have_text("Humming")
    entries.first.hover()
    button(page, "Delete Humming").click()
    expect(entries.first).not_to_have_text("Humming")
    page.locator("#notice-text").get_by_role("button", name="Undo").click()
    expect(entries.first).to_have_text("Humming")


def test_what_stands_beside_a_title_works_while_that_was_just_renamed(page: Page, scripted: ScriptedServer) -> None:
    ask(page, "Vicugnas blink")
    waiting: list[Route] = []
    page.route("**/chat/list?*", lambda route: route.continue_() if waiting else waiting.append(route))
    page.locator("#conversation-list li").get_by_text("Vicugnas blink").hover()
    button(page, "Rename Vicugnas blink").click()
    page.locator("input.rename").press("Escape")
    button(page, "Delete Vicugnas blink").click()
    expect(page.locator("#notice-text")).to_contain_text("Deleted: Vicugnas blink")
    waiting[0].continue_()


def test_a_reload_shows_the_same_conversation_and_a_reply_that_still_grows(
    page: Page, scripted: ScriptedServer
) -> None:
    scripted.replies, scripted.seconds_per_word = [LONG], 0.04
    ask(page, "Count, please.", wait=False)
    expect(replies(page)).to_contain_text("word3")
    page.reload()
    expect(replies(page)).to_contain_text("word9")
    assert "c=" in page.url
    answered(page)
    expect(replies(page)).to_have_text(LONG)
    assert len(scripted.requests) == 1


def test_a_reply_goes_on_when_the_page_is_closed(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [LONG], 0.03
    ask(page, "Count, please.", wait=False)
    expect(replies(page)).to_contain_text("word3")
    page.close()
    wait_until(lambda: scripted.finished == [0], seconds=5)
    assert scripted.finished == [0]


def test_a_share_link_reads_without_a_script_and_ends(page: Page, scripted: ScriptedServer) -> None:
    scripted.replies = ["**Bold** <script>window.hacked=1</script>"]
    ask(page, "Share me")
    button(page, "Share").click()
    link = page.get_by_role("textbox", name="Share this conversation").input_value()
    shared = httpx.get(link)
    assert "<strong>Bold</strong> &lt;script&gt;" in shared.text
    assert "<script" not in shared.text
    assert "<button" not in re.sub(r"<div class=\"code-head.*?</div>", "", shared.text)
    button(page, "Revoke").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert httpx.get(link).status_code == 404
    assert httpx.get(link.split("=")[0] + "=nonsense").status_code == 404
