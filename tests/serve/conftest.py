"""A scripted API, the chat page in front of it, and a browser that looks at the page."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.page import ChatPage
from serve.chat.store.database import open_database
from tests.serve.scripted_server import ScriptedServer, running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def clients() -> Path:
    """The programs of other clients, in the environment of their own that `make test` makes."""
    programs = Path(sys.prefix) / "clients" / "bin"
    assert programs.is_dir(), "the other clients are not installed: run `make .venv/.clients`"
    return programs


@pytest.fixture(scope="session")
def _scripted() -> Iterator[ScriptedServer]:
    with running(ScriptedServer()) as server:
        yield server


@pytest.fixture
def scripted(_scripted: ScriptedServer) -> ScriptedServer:
    """The scripted API with nothing on its record; a test sets what it answers."""
    _scripted.reset()
    return _scripted


@pytest.fixture(scope="session")
def chat_context(_scripted: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """What the page stands on: a database of its own and the scripted API."""
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('chat') / 'chat.sqlite'}")
    return Context(engine=engine, endpoint=connect([_scripted.base_url], keys=None))


@pytest.fixture(scope="session")
def chat_url(chat_context: Context) -> Iterator[str]:
    port = free_port()
    page = ChatPage(chat_context, users=None)
    page.launch(port=port)
    yield f"http://127.0.0.1:{port}/"
    page.close()


@pytest.fixture
def outside() -> list[str]:
    """Addresses beyond this machine that the browser tried to reach for the page."""
    return []


def refuse(route: Route, outside: list[str]) -> None:
    """Note and abort a request. What the page's own policy forbids never gets here."""
    outside.append(route.request.url)
    route.abort()


@pytest.fixture
def page(chromium: Browser, chat_url: str, scripted: ScriptedServer, outside: list[str]) -> Iterator[Page]:
    """The chat page, freshly opened, with every other host out of reach."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.route(lambda url: not url.startswith((chat_url, "data:", "blob:")), lambda route: refuse(route, outside))
    page = context.new_page()
    page.goto(chat_url)
    page.locator("body.ready").wait_for()
    yield page
    context.close()


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Where pictures go: $CHAKU_TEST_ARTIFACTS, or the test's own directory."""
    path = Path(os.environ.get("CHAKU_TEST_ARTIFACTS", tmp_path))
    path.mkdir(parents=True, exist_ok=True)
    return path
