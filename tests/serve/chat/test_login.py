from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.page import ChatPage
from serve.chat.store.database import open_database
from serve.chat.user_file import UserFile, add_user
from tests.serve.conftest import free_port
from tests.serve.scripted_server import ScriptedServer

PASSWORDS = {"ann": "correct horse", "ben": "battery staple"}
OURS = {"x-chaku": "1"}


@pytest.fixture(scope="module")
def guarded(_scripted: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with two users."""
    folder, port = tmp_path_factory.mktemp("login"), free_port()
    for name, password in PASSWORDS.items():
        add_user(folder / "users.json", name, password)
    endpoint = connect([_scripted.base_url], keys=None)
    context = Context(engine=open_database(f"sqlite:///{folder / 'chat.sqlite'}"), endpoint=endpoint)
    page = ChatPage(context, users=UserFile(folder / "users.json"))
    page.launch(port=port)
    yield f"http://127.0.0.1:{port}"
    page.close()


@contextmanager
def logged_in(url: str, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        answer = client.post("/login", data={"name": name, "password": PASSWORDS[name]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        yield client


def ask(client: httpx.Client, text: str) -> str:
    body = {"do": "send", "id": "", "text": text, "settings": {}}
    conversation: str = client.post("/chat/act", json=body, headers=OURS).json()["id"]
    return conversation


def test_without_a_login_there_is_nothing_but_the_form(guarded: str) -> None:
    page = httpx.get(guarded, headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert 'type="password"' in httpx.get(f"{guarded}/login").text
    for path in ("/chat/list", "/chat/start", "/config", "/gradio_api/info", "/chat/raw?m=x", "/arena", "/"):
        assert httpx.get(f"{guarded}{path}").status_code == 401
    assert httpx.post(f"{guarded}/chat/act", json={"do": "send"}, headers=OURS).status_code == 401
    assert httpx.post(f"{guarded}/gradio_api/upload", files={"files": b"x"}).status_code == 401


def test_each_person_has_conversations_of_their_own(guarded: str, scripted: ScriptedServer) -> None:
    scripted.replies = ["A secret reply."]
    with logged_in(guarded, "ann") as ann, logged_in(guarded, "ben") as ben:
        conversation = ask(ann, "A secret question")
        assert "A secret question" in ann.get("/chat/list").json()["html"]
        view = ann.get("/chat/conversation", params={"c": conversation}).json()
        message = view["html"].split('data-id="')[1].split('"')[0]
        assert "secret" not in ben.get("/chat/list", params={"q": "secret"}).json()["html"]
        absent = ben.get("/chat/conversation", params={"c": "nothing"})
        for path in (f"conversation?c={conversation}", f"raw?m={message}", f"stream?m={message}"):
            answer = ben.get(f"/chat/{path}")
            assert (answer.status_code, answer.text) == (absent.status_code, absent.text)
        for do in ("send", "rename", "pin", "remove", "restore", "share", "revoke"):
            body: dict[str, object] = {"do": do, "id": conversation, "text": "x", "settings": {}}
            assert ben.post("/chat/act", json=body, headers=OURS).status_code == 404
        for do in ("edit", "regenerate", "continue", "stop", "show", "judge", "undo", "remove_message"):
            body = {"do": do, "id": message, "text": "x", "settings": {}}
            assert ben.post("/chat/act", json=body, headers=OURS).status_code == 404


def test_wrong_passwords_are_refused_and_soon_have_to_wait(guarded: str) -> None:
    attempts = [
        httpx.post(f"{guarded}/login", data={"name": "nobody", "password": f"guess {n}"}).status_code for n in range(7)
    ]
    assert attempts == [401] * 5 + [429] * 2


def test_logging_out_ends_the_session_in_the_browser(guarded: str) -> None:
    with logged_in(guarded, "ann") as ann:
        ann.get("/logout")
        assert ann.get("/chat/list").status_code == 401


def test_other_sites_cannot_act_nor_pose_as_this_machine(chat_url: str) -> None:
    body: dict[str, object] = {"do": "send", "id": "", "text": "x", "settings": {}}
    assert httpx.post(f"{chat_url}chat/act", json=body).status_code == 403
    assert httpx.get(chat_url, headers={"host": "evil.example"}).status_code == 421
    assert httpx.get(chat_url, headers={"host": "localhost:1"}).status_code == 200


def test_what_is_malformed_is_refused(chat_url: str) -> None:
    for body in (b"", b"[]", b"{}", b'{"do": "send", "text": "x", "settings": {"temperature": "hot"}}'):
        assert httpx.post(f"{chat_url}chat/act", content=body, headers=OURS).status_code == 400


def test_no_file_of_the_server_can_be_reached_by_name(chat_url: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    here = Path.cwd()
    names = [str(secret), "/etc/passwd", str(here / "pyproject.toml"), "pyproject.toml", "../../etc/passwd"]
    paths = [f"gradio_api/file={name}" for name in names]
    paths += ["chat/../../../etc/passwd", "chat/%2e%2e/page.py", "chat/page.py", "assets/..%2f..%2f..%2fetc%2fpasswd"]
    paths += ["static/../../routes.py", "gradio_api/stream//etc/passwd", "gradio_api/proxy=http://127.0.0.1:1/"]
    for path in paths:
        answer = httpx.get(f"{chat_url}{path}")
        assert answer.status_code >= 400, path
        assert "root:" not in answer.text
        assert "[project]" not in answer.text
