"""A format that ends replies with plain text, on the real engine: no client has to know that text."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.road import CHAKU, free_port, wait_for
from tests.templated import templated

pytestmark = pytest.mark.e2e

# What the model is made to write, whatever it has learnt: a reply, its stop, and the next turn.
WRITTEN = r"Hello ## friend\n### Human: and then"


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    model = templated(small_model, tmp_path_factory.mktemp("stop") / "v0", "vicuna_v0")
    port = free_port()
    process = subprocess.Popen([CHAKU, "serve", str(model), "--port", str(port), "--no-ui"])
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_a_reply_ends_at_the_templates_stop_string(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model="v0",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=40,
        extra_body={"structured_outputs": {"regex": WRITTEN}},
    ).choices[0]
    assert (reply.message.content, reply.finish_reason) == ("Hello ## friend", "stop")


def test_the_responses_api_ends_there_too(client: OpenAI) -> None:
    reply = client.responses.create(
        model="v0", input="Hi", max_output_tokens=40, extra_body={"structured_outputs": {"regex": WRITTEN}}
    )
    assert reply.output_text == "Hello ## friend"


def test_a_stop_string_that_several_tokens_make_never_shows_in_a_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="v0",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=40,
        stop=["friend"],
        stream=True,
        extra_body={"structured_outputs": {"regex": WRITTEN}},
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == "Hello ## "
    again = client.chat.completions.create(
        model="v0",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=40,
        stream=True,
        extra_body={"structured_outputs": {"regex": WRITTEN}},
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in again if chunk.choices]
    assert "".join(pieces) == "Hello ## friend"
    assert not any("###" in piece for piece in pieces)
