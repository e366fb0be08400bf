"""A long chat whose page, engine and browser are killed at random: what is lost of what had been said?

A scripted engine counts, a word each twentieth of a second, and notes when it said each word. After each SIGKILL the
chat has to go on as a person would let it go on, with what the database and the page hold compared with those notes.

    nice python -m benchmarks.chat_kills [--minutes 60] [--kills 20] [--seed 7]
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from playwright.sync_api import Error, Page, Playwright, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.serve.conftest import free_port

WORD_SECONDS = 0.05
PATIENCE_SECONDS = 180
TURNS = 8  # of a conversation, before a new one is begun


def engine(port: int, notes: str) -> None:
    """An API that answers question 7 of 30 words with "7:0 7:1 ... 7:29", and goes on where it is told to."""

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "counter", "object": "model", "created": 0}]})

    async def complete(request: Request) -> Response:
        said = (await request.json())["messages"]
        begun = said.pop()["content"].split() if said[-1]["role"] == "assistant" else []
        number, length = said[-1]["content"].split()[1::2]
        return StreamingResponse(count(number, len(begun), int(length)), media_type="text/event-stream")

    async def count(number: str, first: int, length: int) -> AsyncIterator[str]:
        with Path(notes).open("a", buffering=1) as file:
            for at in range(first, length):
                file.write(f"{time.time()} {number}:{at}\n")
                yield _chunk(f"{' ' if at else ''}{number}:{at}", None)
                await asyncio.sleep(WORD_SECONDS)
        yield _chunk("", "stop") + "data: [DONE]\n\n"

    routes = [Route("/v1/models", models), Route("/v1/chat/completions", complete, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="critical")


def _chunk(text: str, finish_reason: str | None) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "counter", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


class Trial:
    """The three processes, the person who chats, and what was found after each kill."""

    def __init__(self, playwright: Playwright, folder: Path) -> None:
        self._playwright, self._folder = playwright, folder
        self._ports = {name: free_port() for name in ("engine", "page", "browser")}
        self._notes, self._database = folder / "notes", folder / "chat.sqlite"
        self._notes.touch()
        self._place = f"http://127.0.0.1:{self._ports['page']}/"
        self.asked: list[tuple[int, int]] = []  # number and length of each question
        self.kills: list[dict[str, Any]] = []
        self._examined, self._known = 0.0, set[str]()  # when the last kill was over, and what was kept then
        self._start_engine()
        self._start_page()
        self._start_browser()

    def ask(self, length: int) -> None:
        """Type the next question and send it."""
        self.asked.append((len(self.asked), length))
        if self.asked[-1][0] % TURNS == 0:
            self.page.locator("#new").click()
        self._send()

    def is_answered(self) -> bool:
        """Whether the last question has its whole reply; what stands in the way is done as a person would do it."""
        number, length = self.asked[-1]
        shown = self.page.evaluate(_LOOK)
        self._place = shown["place"]
        if shown["question"] != self._question():
            if not shown["replying"]:
                self._send()
            return False
        if shown["button"]:
            self.page.locator("#log [data-do=continue], #log [data-do=retry]").last.click()
        return not shown["replying"] and shown["reply"] == _words(number, length)

    def kill(self, name: str) -> None:
        """SIGKILL one process, compare what is kept with what had been said, and start it again."""
        killed = time.time()
        {"engine": self._kill_engine, "page": self._kill_page, "browser": self._kill_browser}[name]()
        kept = self._kept()
        start = {"engine": self._start_engine, "page": self._start_page, "browser": self._start_browser}
        start[name]()
        if name == "browser":  # the database went on without it: what counts is what it shows again
            time.sleep(1)
            last = self.asked[-1][0]
            shown = self.page.evaluate(_LOOK)["reply"].split()
            kept = {word for word in kept if not word.startswith(f"{last}:")} | set(shown)
        lost = [said for said, word in self._said(before=killed) if word not in kept]
        self._examined, self._known = time.time(), kept
        found = {"killed": name, "kept_words": len(kept), "lost_words": len(lost)}
        self.kills.append(found | {"lost_seconds": round(killed - min(lost), 2) if lost else 0.0})
        print(json.dumps(self.kills[-1]), flush=True)

    def check(self) -> dict[str, Any]:
        """All that was asked and answered, against what the database holds in the end."""
        with sqlite3.connect(self._database) as database:
            rows = database.execute("select role, content, state from messages order by created, role desc").fetchall()
        expected = [("user", _question(*each), "whole") for each in self.asked]
        replies = [("assistant", _words(*each), "whole") for each in self.asked]
        wrong = [row for row in rows if row not in expected and row not in replies]
        doubled = len(rows) - len(set(rows))
        missing = len(set(expected + replies) - set(rows))
        return {"questions": len(self.asked), "wrong": len(wrong), "doubled": doubled, "missing": missing}

    def end(self) -> None:
        """End the three processes."""
        self._kill_browser()
        self._kill_page()
        self._kill_engine()

    def _send(self) -> None:
        box = self.page.locator("#message textarea")
        box.fill(self._question())
        box.press("Enter")
        _wait(lambda: bool(self.page.evaluate(_LOOK)["replying"] or not box.input_value()))

    def _question(self) -> str:
        return _question(*self.asked[-1])

    def _kept(self) -> set[str]:
        """All words of replies in the database."""
        with sqlite3.connect(self._database) as database:
            rows = database.execute("select content from messages where role = 'assistant'").fetchall()
        return {word for (content,) in rows for word in content.split()}

    def _said(self, *, before: float) -> list[tuple[float, str]]:
        """When the engine said what; of what it said before the last kill was over, only what was kept."""
        pairs = [line.split() for line in self._notes.read_text().splitlines()]
        said = [(float(at), word) for at, word in pairs if float(at) < before]
        return [(at, word) for at, word in said if at > self._examined or word in self._known]

    def _start_engine(self) -> None:
        arguments = (self._ports["engine"], str(self._notes))
        self._engine = multiprocessing.get_context("spawn").Process(target=engine, args=arguments, daemon=True)
        self._engine.start()
        _wait(lambda: _answers(f"http://127.0.0.1:{self._ports['engine']}/v1/models"))

    def _kill_engine(self) -> None:
        self._engine.kill()
        self._engine.join()
        time.sleep(1)  # the page notes the end of the connection, as it would of any engine

    def _start_page(self) -> None:
        api, port = f"http://127.0.0.1:{self._ports['engine']}/v1", str(self._ports["page"])
        command = [sys.executable, "-m", "chaku", "chat", "--base-url", api, "--port", port]
        self._page = subprocess.Popen([*command, "--db", f"sqlite:///{self._database}"], stdout=subprocess.DEVNULL)
        _wait(lambda: _answers(f"http://127.0.0.1:{port}/chat/list"))

    def _kill_page(self) -> None:
        self._page.kill()
        self._page.wait()

    def _start_browser(self) -> None:
        """A Chromium of our own, since Playwright does not tell the process of one that it starts."""
        program = shutil.which("chromium") or shutil.which("google-chrome") or "chromium-browser"
        port, profile = self._ports["browser"], self._folder / "profile"
        options = [f"--remote-debugging-port={port}", f"--user-data-dir={profile}", "--window-size=1280,800"]
        command = [program, *options, "--headless", "--no-sandbox", "--disable-gpu"]
        self._browser = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        _wait(lambda: _answers(f"http://127.0.0.1:{port}/json/version"))
        # A debugger that begins on a busy machine takes longer than Playwright's 30 seconds.
        browser = self._playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS * 1e3)
        context = browser.contexts[0]
        self.page: Page = context.new_page()
        self.page.goto(self._place)
        self.page.locator("body.ready").wait_for()

    def _kill_browser(self) -> None:
        os.killpg(self._browser.pid, signal.SIGKILL)
        self._browser.wait()


_LOOK = """() => ({
  place: location.href,
  question: [...document.querySelectorAll('#log .user .body')].at(-1)?.textContent ?? '',
  reply: [...document.querySelectorAll('#log .bot .body')].at(-1)?.textContent.trim() ?? '',
  button: Boolean(document.querySelector('#log article:last-of-type [data-do=continue], '
    + '#log article:last-of-type [data-do=retry]')),
  replying: document.body.classList.contains('replying'),
})"""


def _question(number: int, length: int) -> str:
    return f"Question {number} of {length} words"


def _words(number: int, length: int) -> str:
    return " ".join(f"{number}:{at}" for at in range(length))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.2)


def chat(trial: Trial, *, seconds: float, kills: int, seed: int) -> None:
    """Ask until the time is over; the kills come at random moments, each kind as often as the others."""
    chance, began = random.Random(seed), time.monotonic()  # noqa: S311 no secret
    kinds = [("page", "engine", "browser")[n % 3] for n in range(kills)]
    chance.shuffle(kinds)
    moments = sorted(chance.uniform(5, seconds - 30) for _ in kinds)
    plan = list(zip(moments, kinds, strict=True))
    while time.monotonic() - began < seconds:
        trial.ask(chance.randint(60, 400))
        while not _step(trial):
            if plan and time.monotonic() - began > plan[0][0]:
                trial.kill(plan.pop(0)[1])
        time.sleep(chance.uniform(0.5, 3))


def _step(trial: Trial) -> bool:
    time.sleep(0.25)
    try:
        return trial.is_answered()
    except Error:  # the page was just being changed under our hands
        return False


def main() -> None:
    """Run the trial and print what was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long the chat lasts (default: 60)")
    parser.add_argument("--kills", type=int, default=20, help="how many processes are killed (default: 20)")
    parser.add_argument("--seed", type=int, default=7, help="of the random moments (default: 7)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:
        trial = Trial(playwright, Path(folder))
        try:
            chat(trial, seconds=args.minutes * 60, kills=args.kills, seed=args.seed)
            worst = max((each["lost_seconds"] for each in trial.kills), default=0.0)
            print(json.dumps({"kills": len(trial.kills), "worst_lost_seconds": worst, **trial.check()}))
        finally:
            trial.end()


if __name__ == "__main__":
    main()
