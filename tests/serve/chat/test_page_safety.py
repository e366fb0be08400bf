"""Hostile text in every field runs nothing and loads nothing, even where the page's policy would let it."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.page import ChatPage
from serve.chat.store import conversations, messages, shares
from serve.chat.store.access import transaction
from serve.chat.store.database import open_database
from serve.chat.store.tables import Conversation
from serve.chat.user_file import UserFile, add_user
from serve.chat.votes import Vote, add_vote
from tests.serve.chat.hostile import PAYLOADS
from tests.serve.chat.on_page import answered, button, last, message_box, replies
from tests.serve.conftest import free_port, refuse
from tests.serve.scripted_server import ScriptedServer

pytestmark = pytest.mark.browser

USER, PASSWORD = '"><img src=x onerror="window.hacked=1">', "correct horse"
ALL = "\n\n".join(PAYLOADS)

# A script that ran would ask for an address that is watched, whatever became of its page since.
_ALARM = "Object.defineProperty(window, 'hacked', {set() { fetch('https://evil.example/hacked') }})"
# What no text may become, and what a text's elements may still do when they are touched.
_EXAMINE = """() => {
  const loads = ["img", "iframe", "object", "embed", "video", "audio", "base", "meta", "link", "style", "image"];
  const isOurs = (script) => script.src.startsWith(location.origin + "/chat/");
  const schemes = ["http:", "https:", "mailto:"];
  const wrong = [];
  const places = document.querySelectorAll("#log, #conversation-list, #model-picker, .standalone, section, body > h1");
  for (const place of places) for (const each of [place, ...place.querySelectorAll("*")]) {
    if (loads.includes(each.localName) || (each.localName === "script" && !isOurs(each))) wrong.push(each.outerHTML);
    for (const { name, value } of each.attributes)
      if (name.startsWith("on") || name === "srcdoc" || (name === "style" && value.includes("url")) ||
          (name.endsWith("href") && !schemes.includes(new URL(value, location).protocol))) wrong.push(each.outerHTML);
    for (const event of ["mouseover", "focus", "toggle", "beforeinput", "begin"]) each.dispatchEvent(new Event(event));
  }
  return { wrong, looked: places.length };
}"""


@pytest.fixture(scope="module")
def guarded(_scripted: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Context]]:
    """A page for one person, whose name is as hostile as the rest."""
    folder, port = tmp_path_factory.mktemp("safety"), free_port()
    add_user(folder / "users.json", USER, PASSWORD)
    endpoint = connect([_scripted.base_url], keys=None)
    context = Context(engine=open_database(f"sqlite:///{folder / 'chat.sqlite'}"), endpoint=endpoint)
    page = ChatPage(context, users=UserFile(folder / "users.json"))
    page.launch(port=port)
    yield f"http://127.0.0.1:{port}/", context
    page.close()


@pytest.fixture
def open_page(chromium: Browser, guarded: tuple[str, Context], outside: list[str]) -> Iterator[Page]:
    """A browser without the page's own policy, so that nothing but the page itself stands in the way."""
    url, _ = guarded
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True)
    context.route(lambda to: not to.startswith((url, "data:", "blob:")), lambda route: refuse(route, outside))
    context.add_init_script(_ALARM)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()
    assert outside == []


def seed(context: Context) -> tuple[str, str]:
    """Every field that is kept, filled with every payload; the id of the last reply, and of a share."""
    engine = context.engine
    made = conversations.create(engine, USER, model=PAYLOADS[0], system=ALL, settings={})
    for at, payload in enumerate(PAYLOADS):
        one = conversations.create(engine, USER, model=payload, settings={})
        with transaction(engine) as session:
            session.get_one(Conversation, one.id).title = payload
        messages.add(engine, USER, one.id, role="user", content=payload)
        messages.add(engine, USER, made.id, role="user", content=payload)
        kept = {"model": payload, "state": "failed", "error": f"400 {payload}", "thumb": -1, "reason": payload}
        reply = messages.add(engine, USER, made.id, role="assistant", content=payload, **kept)
        asked = [{"role": "user", "content": payload}]
        vote = Vote(
            messages=asked, model_a=payload, model_b=PAYLOADS[at - 1], answer_a=payload, answer_b="b", winner="a"
        )
        add_vote(engine, vote, owner=USER)
    with transaction(engine) as session:
        session.get_one(Conversation, made.id).title = ALL
    return reply.id, shares.share(engine, USER, made.id)


def harmless(page: Page) -> None:
    """Touch everything; nothing may be there that could run or load."""
    found = page.evaluate(_EXAMINE)
    assert found["looked"] > 0
    assert found["wrong"] == []


def log_in(page: Page, url: str) -> None:
    page.goto(f"{url}login")
    for password in ("wrong password", PASSWORD):
        page.get_by_label("Name").fill(USER)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
    page.locator("body.ready").wait_for()


def chat_with_all(page: Page, url: str, conversation: str) -> None:
    """The conversation with all payloads, a new one with all of them in one reply that streams, and the dialogs."""
    page.goto(f"{url}?c={conversation}")
    expect(replies(page)).to_have_count(len(PAYLOADS))
    assert page.get_by_test_id("user").nth(3).inner_text() == PAYLOADS[3]
    harmless(page)
    button(page, "New chat").first.click()
    message_box(page).fill(ALL)
    message_box(page).press("Enter")
    expect(replies(page)).to_have_count(1)
    answered(page)
    harmless(page)
    last(page, "Bad reply").click()
    page.get_by_role("textbox", name="Why?").fill(ALL[:1000])
    page.get_by_role("textbox", name="Why?").press("Enter")
    last(page, "Edit").click()
    last(page, "Cancel").click()
    page.locator("#conversation-list [data-do=rename]").first.click()
    page.keyboard.press("Escape")
    page.locator("#conversation-list [data-do=remove]").first.click()
    expect(page.locator("#notice-text")).to_contain_text("Deleted: ")
    harmless(page)


def fight_in_the_arena(page: Page, url: str) -> None:
    page.goto(f"{url}arena")
    harmless(page)
    page.get_by_label("Prompt").fill(ALL)
    page.get_by_role("button", name="Ask both").click()
    page.get_by_role("button", name="A is better").click()
    expect(page.locator("#answers h2").first).not_to_have_text("A")
    harmless(page)


def bring_dumps(page: Page, url: str, folder: Path) -> None:
    turns = [{"from": "human", "value": ALL}, {"from": "gpt", "value": ALL}]
    dumps = [{"id": payload, "system": payload, "conversations": turns} for payload in PAYLOADS]
    (folder / "good.json").write_text(json.dumps(dumps))
    (folder / "bad.json").write_text(json.dumps([{"id": ALL, ALL: ALL}]))
    page.goto(f"{url}data")
    for name, said in (
        ("good", f"{len(PAYLOADS)} conversations imported"),
        ("bad", "no conversations in its 1 records"),
    ):
        page.get_by_label("File", exact=True).set_input_files(folder / f"{name}.json")
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("status")).to_contain_text(said)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(2 * len(PAYLOADS) + 1)
    harmless(page)


def test_no_payload_runs_or_loads_anything_anywhere(
    open_page: Page, guarded: tuple[str, Context], scripted: ScriptedServer, small_model: Path, tmp_path: Path
) -> None:
    url, context = guarded
    scripted.models, scripted.replies = tuple(one[:400] for one in PAYLOADS), [ALL]
    reply, share = seed(context)
    log_in(open_page, url)
    chat_with_all(open_page, url, messages.get(context.engine, USER, reply).conversation)
    fight_in_the_arena(open_page, url)
    bring_dumps(open_page, url, tmp_path)
    scripted.root, scripted.prompt_ids = str(small_model), lambda _: [1, 2, 3]
    for path in (f"inspect?message={reply}", f"share?t={share}"):
        open_page.goto(f"{url}{path}")
        expect(open_page.locator("body")).to_contain_text("window.hacked")
        harmless(open_page)
    for path in ("data?q={}&mark={}", "inspect?message={}", "share?t={}", "{}", f"chat/raw?m={reply}&x={{}}"):
        open_page.goto(f"{url}{path}".replace("{}", quote(PAYLOADS[4] + PAYLOADS[2], safe="")))
    assert open_page.evaluate("document.contentType") == "text/plain"


def test_headers_are_strict_and_texts_are_no_labels(chat_url: str, chat_context: Context) -> None:
    engine = chat_context.engine
    made = conversations.create(engine, "", settings={})
    messages.add(engine, "", made.id, role="user", content="[[page.send]] [[no.such_label]]")
    try:
        told = httpx.get(f"{chat_url}share", params={"t": shares.share(engine, "", made.id)})
        assert "[[page.send]] [[no.such_label]]" in told.text
        assert httpx.get(f"{chat_url}data").status_code == 200
    finally:
        conversations.remove(engine, "", made.id)
    for path in ("", "share", "data", "chat/list", "chat/chat.js", "nowhere"):
        headers = httpx.get(f"{chat_url}{path}").headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy.split("script-src")[1].split(";")[0]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-dns-prefetch-control"] == "off"
