"""A page that is killed loses at most the last second of a reply."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.conftest import free_port
from tests.serve.scripted_server import ScriptedServer

pytestmark = pytest.mark.e2e  # starts the page's process twice

OURS = {"x-chaku": "1"}
WORDS = " ".join(f"word{n}" for n in range(400))


def page_process(scripted: ScriptedServer, port: int, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "chaku", "chat", "--base-url", scripted.base_url, "--port", str(port)]
    process = subprocess.Popen([*command, "--db", f"sqlite:///{folder / 'chat.sqlite'}"])
    wait(lambda: answers(port), seconds=60)
    return process


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/chat/list").is_success
    except httpx.HTTPError:
        return False


def wait(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def act(port: int, **body: object) -> dict[str, Any]:
    answer = httpx.post(f"http://127.0.0.1:{port}/chat/act", json={"settings": {}, **body}, headers=OURS)
    view: dict[str, Any] = answer.raise_for_status().json()
    return view


def raw(port: int, message: str) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/chat/raw", params={"m": message}).text


def test_a_killed_page_loses_at_most_a_second_and_its_replies_can_go_on(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.replies, scripted.seconds_per_word = [WORDS, " and on"], 0.02
    port = free_port()
    process = page_process(scripted, port, tmp_path)
    try:
        view = act(port, do="send", id="", text="Count")
        time.sleep(2.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = page_process(scripted, port, tmp_path)
        kept = raw(port, view["growing"])
        shown = httpx.get(f"http://127.0.0.1:{port}/chat/conversation", params={"c": view["id"]}).json()
        assert WORDS.startswith(kept)
        assert len(kept.split()) > (2.5 - 1.0) / 0.02 * 0.5
        assert 'data-do="continue"' in shown["html"]
        act(port, do="continue", id=view["growing"])
        wait(lambda: raw(port, view["growing"]) == f"{kept} and on", seconds=10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
