import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from serve.chat import data_page
from serve.chat.store import conversations, messages
from serve.chat.store.access import NotFoundError
from serve.chat.store.database import open_database
from serve.chat.store.overview import mark_for_training, overview
from tests.serve.chat.on_page import ask
from tests.serve.scripted_server import ScriptedServer

HOSTILE = "<img src=x onerror='window.hacked=1'>"
HEADERS = {"x-chaku": "1"}


def test_filters_and_marks(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    ids = []
    for word in ("llama", "vicuña"):
        made = conversations.create(engine, "ana", settings={})
        messages.add(engine, "ana", made.id, role="user", content=f"About a {word}")
        reply = messages.add(engine, "ana", made.id, role="assistant", content="It grazes.")
        ids.append(made.id)
    messages.correct(engine, "ana", reply.id, "It grazes high up.")
    mark_for_training(engine, "ana", ids[:1], "yes")
    assert [row.conversation.id for row in overview(engine, "ana", mark="yes")] == ids[:1]
    assert [row.conversation.id for row in overview(engine, "ana", mark="open")] == ids[1:]
    assert [row.conversation.id for row in overview(engine, "ana", search="LLAMA grazes")] == ids[:1]
    (judged,) = overview(engine, "ana", judged=True)
    assert (judged.conversation.id, judged.messages, judged.corrections) == (ids[1], 3, 1)
    assert overview(engine, "ben") == []
    with pytest.raises(NotFoundError):
        mark_for_training(engine, "ben", ids, "no")
    assert len(overview(engine, "ana", mark="no")) == 0


@pytest.mark.browser
def test_a_dump_comes_in_is_marked_and_goes_out(
    page: Page, chat_url: str, scripted: ScriptedServer, outside: list[str], tmp_path: Path
) -> None:
    turns = [{"from": "human", "value": f"zebu {HOSTILE}"}, {"from": "gpt", "value": "Hello."}]
    (tmp_path / "dump.json").write_text(json.dumps([{"id": "a", "conversations": turns}]))
    page.goto(f"{chat_url}data")
    page.get_by_label("File").set_input_files(tmp_path / "dump.json")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("status")).to_contain_text("1 conversations imported")
    page.get_by_label("Words").fill("zebu")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody").get_by_role("button", name="yes").click()
    expect(page.locator("tbody").get_by_role("button", name="yes")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("only what is marked yes").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    (row,) = map(json.loads, Path(download.value.path()).read_text().splitlines())
    assert row["conversations"] == turns
    expect(page.get_by_role("status")).to_contain_text("1 rows. Left out, by reason: ")
    assert download.value.suggested_filename == "chats-sharegpt.jsonl"
    page.get_by_label("Form").select_option("preferences")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing to export.")
    page.get_by_role("link", name="zebu").click()
    expect(page.get_by_test_id("bot").last).to_have_text("Hello.")
    assert page.evaluate("window.hacked") is None
    assert outside == []


@pytest.mark.browser
def test_an_imported_tree_has_branches_to_switch_and_goes_on(
    page: Page, chat_url: str, scripted: ScriptedServer, tmp_path: Path
) -> None:
    replies = [{"role": "assistant", "text": text, "rank": rank} for rank, text in enumerate(("Guanaco.", "Horse."))]
    prompt = {"role": "prompter", "text": "Which camelid is wild?", "replies": replies}
    (tmp_path / "tree.jsonl").write_text(json.dumps({"message_tree_id": "t", "prompt": prompt}))
    page.goto(f"{chat_url}data")
    page.get_by_label("File").set_input_files(tmp_path / "tree.jsonl")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("status")).to_contain_text("1 conversations imported, with 2 branches: 3 of 3 turns")
    page.goto(f"{chat_url}data?q=camelid+wild")
    page.get_by_role("link", name="Which camelid").click()
    expect(page.get_by_test_id("bot")).to_have_text("Guanaco.")
    page.get_by_role("button", name="Later version").click()
    expect(page.get_by_test_id("bot")).to_have_text("Horse.")
    exported = httpx.get(f"{chat_url}chat/data/export", params={"to": "messages", "all": "1"}).text
    rows = [json.loads(line)["messages"] for line in exported.splitlines() if "Which camelid is wild?" in line]
    assert [row[1]["content"] for row in rows] == ["Horse.", "Guanaco."]
    ask(page, "Really?")
    sent = [message["content"] for message in scripted.requests[-1]["messages"]]
    assert sent == ["Which camelid is wild?", "Horse.", "Really?"]


@pytest.mark.browser
def test_of_too_many_conversations_the_newest_are_listed(chat_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_page, "_MOST_ROWS", 1)
    for text in ("First pampa", "Second pampa"):
        turns = [{"from": "human", "value": text}, {"from": "gpt", "value": "Hello."}]
        httpx.post(
            f"{chat_url}chat/data/import", json=[{"id": text, "conversations": turns}], headers=HEADERS
        ).raise_for_status()
    listed = httpx.get(f"{chat_url}data", params={"q": "pampa"}).text
    assert "The newest 1 conversations; filter to see others." in listed
    assert ("Second pampa" in listed, "First pampa" in listed) == (True, False)
    assert "1 conversations." in httpx.get(f"{chat_url}data", params={"q": "pampa first"}).text


@pytest.mark.browser
def test_what_is_no_dump_and_no_mark_is_refused(chat_url: str, scripted: ScriptedServer) -> None:
    told = httpx.post(f"{chat_url}chat/data/import", content=b"nothing", headers=HEADERS)
    assert (told.status_code, told.json()["error"][:9]) == (400, "the file:")
    assert httpx.post(f"{chat_url}chat/data/import", content=b"[]").status_code == 403
    mark = httpx.post(f"{chat_url}chat/data/mark", json={"ids": [], "mark": "maybe"}, headers=HEADERS)
    absent = httpx.post(f"{chat_url}chat/data/mark", json={"ids": ["x"], "mark": "yes"}, headers=HEADERS)
    assert (mark.status_code, absent.status_code) == (400, 404)
    assert httpx.get(f"{chat_url}chat/data/export", params={"to": "csv"}).status_code == 400


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits(width: int, page: Page, chat_url: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{chat_url}data")
    assert page.evaluate("document.documentElement.scrollWidth") == width
