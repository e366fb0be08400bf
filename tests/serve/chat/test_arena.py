import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from serve.chat.context import Context
from serve.chat.votes import list_votes
from tests.serve.chat.on_page import LONG, SLOW, wait_until
from tests.serve.scripted_server import MODEL, ScriptedServer

HOSTILE = "<img src=x onerror='window.hacked=1'>"
HEADERS = {"x-chaku": "1"}


@pytest.mark.browser
def test_a_blind_battle_is_voted_on_and_named(
    page: Page, chat_url: str, chat_context: Context, scripted: ScriptedServer, outside: list[str]
) -> None:
    scripted.models, scripted.replies = (MODEL, HOSTILE), [f"**one** {HOSTILE}", "two"]
    before = len(list_votes(chat_context.engine))
    page.goto(f"{chat_url}arena")
    page.get_by_label("Prompt").fill("Name a camelid.")
    page.get_by_label("Prompt").press("Enter")
    expect(page.get_by_role("button", name="A is better")).to_be_visible()
    assert page.locator("#answers h2").all_inner_texts() == ["A", "B"]
    expect(page.locator("#answers .body strong")).to_have_text("one")
    assert sorted(request["model"] for request in scripted.requests) == sorted(scripted.models)
    page.get_by_role("button", name="B is better").click()
    expect(page.get_by_role("status").filter(has_text="Thank you")).to_be_visible()
    (vote,) = list_votes(chat_context.engine)[before:]
    assert page.locator("#answers h2").all_inner_texts() == [vote.model_a, vote.model_b]
    assert (vote.winner, vote.is_blind, vote.prompt) == ("b", True, "Name a camelid.")
    assert {vote.answer_a, vote.answer_b} == set(scripted.replies)
    rated = {name for one in list_votes(chat_context.engine) for name in (one.model_a, one.model_b)}
    assert {vote.model_a, vote.model_b} <= rated
    expect(page.locator("#leaderboard tbody tr")).to_have_count(len(rated))
    assert set(page.locator("#leaderboard tbody th").all_inner_texts()) == rated
    assert page.evaluate("window.hacked") is None
    assert outside == []


@pytest.mark.browser
@pytest.mark.parametrize("how", ["button", "Escape"])
def test_answers_without_end_are_stopped_and_voted_on(
    how: str, page: Page, chat_url: str, chat_context: Context, scripted: ScriptedServer
) -> None:
    scripted.models, scripted.replies, scripted.seconds_per_word = (MODEL, "guanaco"), [LONG], SLOW
    page.goto(f"{chat_url}arena")
    page.get_by_label("Prompt").fill("Count.")
    page.get_by_role("button", name="Ask both").click()
    expect(page.locator("#b")).to_contain_text("word2")
    if how == "button":
        page.get_by_role("button", name="Stop both").click()
    else:
        page.keyboard.press(how)
    page.get_by_role("button", name="Both are as good").click()
    expect(page.get_by_role("status").filter(has_text="Thank you")).to_be_visible()
    expect(page.get_by_role("button", name="Stop both")).to_be_hidden()
    wait_until(lambda: len(scripted.aborted) == 2, seconds=2)
    assert sorted(scripted.aborted) == [0, 1]
    vote = list_votes(chat_context.engine)[-1]
    assert vote.answer_a.startswith("word0 word1")
    assert "word59" not in vote.answer_a + vote.answer_b


@pytest.mark.browser
def test_chosen_models_are_named_at_once(page: Page, chat_url: str, scripted: ScriptedServer) -> None:
    scripted.models = (MODEL, "guanaco")
    page.goto(f"{chat_url}arena")
    page.get_by_label("chosen by me").check()
    page.get_by_label("Prompt").fill("Hi")
    page.get_by_role("button", name="Ask both").click()
    expect(page.get_by_role("button", name="Both are bad")).to_be_visible()
    assert page.locator("#answers h2").all_inner_texts() == [MODEL, "guanaco"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits(width: int, page: Page, chat_url: str, scripted: ScriptedServer) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{chat_url}arena")
    expect(page.get_by_role("status").filter(has_text=re.compile("one model"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.browser  # the fixture's page needs none, but its address does
def test_what_is_no_battle_is_refused(chat_url: str, chat_context: Context, scripted: ScriptedServer) -> None:
    def post(path: str, body: dict[str, object], **headers: str) -> int:
        return httpx.post(f"{chat_url}chat/arena/{path}", json=body, headers=headers).status_code

    scripted.models = (MODEL, "guanaco")
    before = len(list_votes(chat_context.engine))
    assert post("ask", {"prompt": "Hi"}) == 403
    assert post("ask", {"prompt": " "}, **HEADERS) == 400
    assert post("ask", {"prompt": "Hi", "models": ["guanaco", "nobody"]}, **HEADERS) == 400
    assert post("vote", {"id": "nobody", "winner": "a"}, **HEADERS) == 404
    assert post("stop", {"id": "nobody"}, **HEADERS) == 404
    assert post("vote", {"id": "nobody", "winner": "c"}, **HEADERS) == 400
    assert len(list_votes(chat_context.engine)) == before


@pytest.mark.browser
def test_a_side_that_fails_leaves_the_other_and_no_vote(page: Page, chat_url: str, scripted: ScriptedServer) -> None:
    scripted.models, scripted.error = (MODEL, "guanaco"), (500, "broken")
    page.goto(f"{chat_url}arena")
    page.get_by_label("Prompt").fill("Hi")
    page.get_by_role("button", name="Ask both").click()
    expect(page.locator("#answers .failed")).to_have_count(2)
    expect(page.get_by_role("button", name="A is better")).to_be_hidden()
