"""`chaku parity` against vLLM's own server without its engine: with Chaku's plugin, and unmodified."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from transformers import AutoTokenizer

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.inspector import inspect_page
from serve.chat.store import conversations, messages
from serve.chat.store.database import open_database
from serve.cli import parity
from templates.loading import load_encoder
from tests.road import free_port, wait_for
from tests.templated import templated, with_tokenizer
from tests.test_road import EVIL

pytestmark = pytest.mark.e2e

RENDER_SERVER = Path(__file__).parent / "serve" / "render_server.py"


@dataclass(frozen=True)
class Rendering:
    """A model directory, and a server that reads its prompts."""

    model: Path
    root: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def rendering(model: Path, mode: str) -> Iterator[Rendering]:
    port = free_port()
    where = ("--model", str(model), "--served-model-name", "m", "--host", "127.0.0.1", "--port", str(port))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    process = subprocess.Popen([sys.executable, str(RENDER_SERVER), *where, "--tokenizer-mode", mode], env=environment)
    try:
        yield Rendering(model, f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def servers(
    small_model: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Rendering]]:
    """Three servers, started together: chatml and Qwen2.5's own template under Chaku, and that one under plain vLLM."""
    work = tmp_path_factory.mktemp("parity")
    chatml = templated(small_model, work / "chatml", "chatml")
    qwen = with_tokenizer(small_model, work / "qwen", shared_data / "tokenizers" / "qwen2.5")
    asked = {"chatml": (chatml, "chaku"), "tokenizer": (qwen, "chaku"), "unmodified": (qwen, "auto")}
    with ExitStack() as stack:
        started = {name: stack.enter_context(rendering(*how)) for name, how in asked.items()}
        for one in started.values():
            wait_for(f"{one.root}/health", one.process)
        yield started


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def compare(server: Rendering, *options: str, model: Path | None = None) -> int:
    """`chaku parity` in this process, since importing what it needs takes seconds."""
    return parity([str(model or server.model), "--base-url", f"{server.root}/v1", *options])


def tokenized(server: Rendering, **request: object) -> httpx.Response:
    return httpx.post(f"{server.root}/tokenize", json={**request, "model": "m"}, timeout=60)


@pytest.mark.parametrize("name", ["chatml", "tokenizer", "unmodified"])
def test_two_hundred_real_conversations_are_read_as_in_training(
    servers: dict[str, Rendering], shared_data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = shared_data / "sharegpt" / "sharegpt_508.json"
    assert compare(servers[name], "--conversations", str(dump), "--n", "200") == 0
    assert "200 of 200 conversations agree" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["chatml", "tokenizer"])
def test_hostile_prompts_are_read_as_in_training(
    servers: dict[str, Rendering], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(servers[name]) == 0
    controls = len(load_encoder("tokenizer", servers[name].model).control_strings)
    assert controls >= 17
    assert f"{controls + 1} of {controls + 1} conversations agree" in capsys.readouterr().out


def test_of_an_unmodified_server_the_messages_that_differ_are_named_with_the_reason(
    servers: dict[str, Rendering], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(servers["unmodified"]) == 1
    shown = capsys.readouterr().out
    assert "1 of 23 conversations agree" in shown  # the plain one
    assert "message 0 (user) holds '<|im_start|>', which the server takes for a control token" in shown
    assert "the server shows no fingerprint" in shown


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tokenizer", "exactly as the trainer does"),
        ("unmodified", "which the server takes for a control token"),
    ],
)
async def test_the_inspector_says_whether_the_server_reads_a_turn_as_the_trainer_does(
    name: str, said: str, servers: dict[str, Rendering], tmp_path: Path
) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    made = conversations.create(engine, "", model="m", settings={})
    messages.add(engine, "", made.id, role="user", content=EVIL)
    reply = messages.add(engine, "", made.id, role="assistant", content="No.", model="m")
    endpoint = connect([f"{servers[name].root}/v1"], keys=None)
    asked = Request({"type": "http", "headers": [], "query_string": f"message={reply.id}".encode()})
    page = bytes((await inspect_page(Context(engine=engine, endpoint=endpoint), asked, owner="")).body).decode()
    assert said in unescape(page)


def test_a_server_of_another_template_is_told_apart(
    servers: dict[str, Rendering], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = templated(servers["tokenizer"].model, tmp_path / "chatml", "chatml")
    assert compare(servers["tokenizer"], model=trained) == 1
    assert "its chat template is not the one that the model was trained with" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["chatml", "tokenizer"])
def test_a_forged_system_turn_reaches_the_engine_as_text(servers: dict[str, Rendering], name: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(servers[name].model)

    def rendered(content: str) -> list[int]:
        """What the server would send to its engine for a chat completion."""
        body = {"model": "m", "messages": [{"role": "user", "content": content}]}
        answer = httpx.post(f"{servers[name].root}/v1/chat/completions/render", json=body, timeout=60).json()
        assert answer["token_ids"] == tokenized(servers[name], **body).json()["tokens"]
        return list(answer["token_ids"])

    def controls(ids: list[int]) -> list[int]:
        return [token_id for token_id in ids if token_id in tokenizer.added_tokens_decoder]

    forged = rendered(EVIL)
    assert EVIL in tokenizer.decode(forged)
    assert controls(forged) == controls(rendered("hello"))


ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}},
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"x": 2}'}}
TALK = [
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "4", "tool_call_id": "call_1"},
]


def test_tools_are_rendered_by_the_models_own_template(servers: dict[str, Rendering]) -> None:
    ours, theirs = (tokenized(servers[name], messages=TALK, tools=[ADD]) for name in ("tokenizer", "unmodified"))
    assert ours.json()["tokens"] == theirs.json()["tokens"]
    evil = {**ADD, "function": {**ADD["function"], "description": EVIL}}  # type: ignore[dict-item]
    known = AutoTokenizer.from_pretrained(servers["tokenizer"].model).added_tokens_decoder
    forged = tokenized(servers["tokenizer"], messages=TALK, tools=[evil]).json()["tokens"]
    assert [one for one in forged if one in known] == [one for one in ours.json()["tokens"] if one in known]


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"messages": TALK[:1], "tools": [ADD]}, "has no place for tools; leave `tools` out, or serve a model whose"),
        ({"messages": TALK}, "has no place for tool_calls; send the call as the reply's text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content: a part of type 'image_url' is not text",
        ),
    ],
)
def test_what_a_template_cannot_write_is_refused_in_openais_shape(
    servers: dict[str, Rendering], request_: dict[str, object], complaint: str
) -> None:
    refused = tokenized(servers["chatml"], **request_)
    assert refused.status_code == 400
    assert complaint in refused.json()["error"]["message"]
    assert refused.json()["error"]["type"] == "BadRequestError"


def test_a_tools_answer_is_read_where_the_format_has_tools(servers: dict[str, Rendering]) -> None:
    assert tokenized(servers["chatml"], messages=[TALK[0], TALK[2]]).status_code == 200
