"""The chat page while a reply streams: the browser's time, and what the page adds to the API's first token.

A scripted API says 100 tokens a second into a conversation of 20 turns and 10,000 tokens; headless Chromium shows it.

    python -m benchmarks.chat_page [--seconds 20]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import psutil
from playwright.sync_api import CDPSession, Page, sync_playwright

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.page import ChatPage
from serve.chat.store import conversations, messages
from serve.chat.store.database import open_database
from tests.serve.conftest import free_port
from tests.serve.scripted_server import ScriptedServer, running

TURNS, WORDS, RATE = 20, 500, 100
BLOCK = "A line of **markdown** with `code` and a [link](https://example.org), of some twenty tokens or so in all.\n\n"
CODE = "```python\nfor n in range(10):\n    print(n)  # a comment\n```\n\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20, help="how long the reply streams (default: 20)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(ScriptedServer()) as scripted:
        engine = open_database(f"sqlite:///{Path(folder) / 'chat.sqlite'}")
        endpoint = connect([scripted.base_url], keys=None)
        port = free_port()
        page = ChatPage(Context(engine=engine, endpoint=endpoint), users=None)
        page.launch(port=port)
        root = f"http://127.0.0.1:{port}"
        conversation = conversations.create(engine, "", settings={}).id
        for turn in range(TURNS):
            role, text = ("assistant", (BLOCK * 12 + CODE) * 2) if turn % 2 else ("user", "A question? " * 100)
            messages.add(engine, "", conversation, role=role, content=text)
        browser_share(root, conversation, scripted, seconds=args.seconds)
        first_tokens(root, scripted)
        print(json.dumps({"64 streams": asyncio.run(many(root, scripted))}))
        page.close()


def browser_share(root: str, conversation: str, scripted: ScriptedServer, *, seconds: int) -> None:
    """The share of one core that the page's main thread takes, before and while the reply streams."""
    words = (BLOCK * 5 + CODE).split(" ")
    scripted.replies = [" ".join(words[n % len(words)] for n in range(RATE * (seconds + 15)))]
    scripted.seconds_per_word = 1 / RATE
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{root}/?c={conversation}")
        page.locator("body.ready").wait_for()
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        idle = _share(page, session, seconds=3)
        page.get_by_role("textbox", name="Message").fill("Go on")
        page.get_by_role("textbox", name="Message").press("Enter")
        page.wait_for_timeout(2000)
        at = _words(page)
        began = time.monotonic()
        streaming = _share(page, session, seconds=seconds)
        rate = (_words(page) - at) / (time.monotonic() - began)
        print(json.dumps({"idle": idle, "streaming": streaming, "words a second": round(rate, 1)}))
        browser.close()


def _words(page: Page) -> int:
    found: int = page.evaluate(
        "[...document.querySelectorAll('.turn.bot .body')].at(-1).textContent.split(/\\s+/).length"
    )
    return found


def _share(page: Page, session: CDPSession, *, seconds: int) -> dict[str, float]:
    before, began = _metrics(session), time.monotonic()
    page.wait_for_timeout(seconds * 1000)
    after, took = _metrics(session), time.monotonic() - began
    return {name: round((after[name] - before[name]) / took, 3) for name in after}


def _metrics(session: CDPSession) -> dict[str, float]:
    names = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return {name: metrics[name] for name in names}


def first_tokens(root: str, scripted: ScriptedServer, *, times: int = 20) -> None:
    """From the click on Send to the first visible token, less the API's own time, in milliseconds."""
    scripted.replies, scripted.seconds_per_word = ["one two"], 0.02
    pages, api = [], []
    body = {"model": "x", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(root)
        page.locator("body.ready").wait_for()
        for _ in range(times):
            api.append(_first_of_api(scripted, body))
            page.get_by_role("button", name="New chat").click()
            page.get_by_role("textbox", name="Message").fill("Hello")
            pages.append(page.evaluate(_CLICK))
            page.locator("body:not(.replying)").wait_for()
        browser.close()
    added = [seen - bare for seen, bare in zip(pages, api, strict=True)]
    medians = {"page": pages, "api": api, "added": added}
    print(json.dumps({name: round(statistics.median(each), 1) for name, each in medians.items()}))


_CLICK = """() => new Promise((seen) => {
  const began = performance.now();
  const look = () => {
    const text = [...document.querySelectorAll('.turn.bot .body')].at(-1)?.textContent ?? "";
    text.includes("one") ? seen(performance.now() - began) : requestAnimationFrame(look);
  };
  document.querySelector("#send").click();
  requestAnimationFrame(look);
})"""


def _first_of_api(scripted: ScriptedServer, body: dict[str, object]) -> float:
    began = time.perf_counter()
    with httpx.stream("POST", f"{scripted.base_url}/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if '"content"' in line:
                break
    return (time.perf_counter() - began) * 1000


async def many(root: str, scripted: ScriptedServer, *, streams: int = 64) -> dict[str, float]:
    """So many replies of 10 tokens a second watched at once: how much of a core server and script take together."""
    scripted.replies, scripted.seconds_per_word = [" ".join(["word"] * 100)], 0.1
    process, began = psutil.Process(), time.monotonic()
    before = sum(process.cpu_times()[:2])
    async with httpx.AsyncClient(base_url=root, timeout=60, limits=httpx.Limits(max_connections=200)) as client:
        lasted = await asyncio.gather(*(_watch(client) for _ in range(streams)))
    took = time.monotonic() - began
    cores = (sum(process.cpu_times()[:2]) - before) / took
    return {"slowest_seconds": round(max(lasted), 1), "cores": round(cores, 2), "at_once": scripted.most_at_once}


async def _watch(client: httpx.AsyncClient) -> float:
    began = time.monotonic()
    body = {"do": "send", "id": "", "text": "Hello", "settings": {}}
    view = (await client.post("/chat/act", json=body, headers={"x-chaku": "1"})).json()
    async with client.stream("GET", "/chat/stream", params={"m": view["growing"]}) as answer:
        async for _ in answer.aiter_lines():
            pass
    return time.monotonic() - began


if __name__ == "__main__":
    main()
