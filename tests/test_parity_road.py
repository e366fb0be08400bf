"""`chaku parity` against vLLM's own server without its engine: with Chaku's plugin, and unmodified."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from transformers import AutoTokenizer

from tests.templated import templated
from tests.test_road import CHAKU, EVIL, free_port, wait_for

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
def servers(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Rendering]]:
    """Three servers, started together: chatml and the model's own template under Chaku, and chatml under plain vLLM."""
    chatml = templated(small_model, tmp_path_factory.mktemp("parity") / "chatml", "chatml")
    asked = {"chatml": (chatml, "chaku"), "tokenizer": (small_model, "chaku"), "unmodified": (chatml, "auto")}
    with ExitStack() as stack:
        started = {name: stack.enter_context(rendering(*how)) for name, how in asked.items()}
        for one in started.values():
            wait_for(f"{one.root}/health", one.process)
        yield started


def parity(server: Rendering, *options: str) -> "subprocess.CompletedProcess[str]":
    argv = [CHAKU, "parity", str(server.model), "--base-url", f"{server.root}/v1", *options]
    return subprocess.run(argv, check=False, capture_output=True, text=True, env={**os.environ, "COLUMNS": "160"})


@pytest.mark.parametrize("name", ["chatml", "tokenizer", "unmodified"])
def test_two_hundred_real_conversations_are_read_as_in_training(
    servers: dict[str, Rendering], shared_data: Path, name: str
) -> None:
    compared = parity(
        servers[name], "--conversations", str(shared_data / "sharegpt" / "sharegpt_508.json"), "--n", "200"
    )
    assert "200 of 200 conversations agree" in compared.stdout
    assert compared.returncode == 0


@pytest.mark.parametrize("name", ["chatml", "tokenizer"])
def test_hostile_prompts_are_read_as_in_training(servers: dict[str, Rendering], name: str) -> None:
    compared = parity(servers[name])
    assert "18 of 18 conversations agree" in compared.stdout
    assert compared.returncode == 0


def test_of_an_unmodified_server_the_messages_that_differ_are_named_with_the_reason(
    servers: dict[str, Rendering],
) -> None:
    compared = parity(servers["unmodified"])
    assert compared.returncode == 1
    assert "1 of 18 conversations agree" in compared.stdout
    assert "message 0 (user) holds '<|im_start|>', which the server takes for a control token" in compared.stdout


def test_a_server_of_another_template_is_told_apart(servers: dict[str, Rendering]) -> None:
    other = Rendering(servers["chatml"].model, servers["tokenizer"].root, servers["tokenizer"].process)
    compared = parity(other)
    assert compared.returncode == 1
    assert "its chat template is not the one that the model was trained with" in compared.stdout


@pytest.mark.parametrize("name", ["chatml", "tokenizer"])
def test_a_forged_system_turn_stays_text(servers: dict[str, Rendering], name: str) -> None:
    server = servers[name]
    tokenizer = AutoTokenizer.from_pretrained(server.model)

    def controls(content: str) -> list[int]:
        body = {"model": "m", "messages": [{"role": "user", "content": content}]}
        ids = httpx.post(f"{server.root}/tokenize", json=body, timeout=60).json()["tokens"]
        return [token_id for token_id in ids if token_id in tokenizer.all_special_ids]

    assert controls(EVIL) == controls("hello")


def test_a_tools_answer_is_read_and_tools_are_refused_by_name(servers: dict[str, Rendering]) -> None:
    root = servers["chatml"].root
    messages = [{"role": "user", "content": "2+2?"}, {"role": "tool", "content": "4", "tool_call_id": "a"}]
    read = httpx.post(f"{root}/tokenize", json={"model": "m", "messages": messages}, timeout=60)
    assert read.status_code == 200
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    refused = httpx.post(f"{root}/tokenize", json={"model": "m", "messages": messages, "tools": [tool]}, timeout=60)
    assert refused.status_code == 400
    assert "tools" in refused.json()["error"]["message"]
