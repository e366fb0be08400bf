"""A format that ends replies with plain text, on the real engine: no client has to know that text."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.round_trip import Taught

pytestmark = pytest.mark.e2e

# What the model is made to write, whatever it has learnt: a reply, its stop, and the next turn.
WRITTEN = r"Hello ## friend\n### Human: and then"


@pytest.fixture(scope="module")
def client(taught: Taught) -> Iterator[OpenAI]:
    with OpenAI(base_url=taught.served.api, api_key="none") as client:
        yield client


def test_a_reply_ends_at_the_templates_stop_string(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model="taught",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=40,
        extra_body={"structured_outputs": {"regex": WRITTEN}},
    ).choices[0]
    assert (reply.message.content, reply.finish_reason) == ("Hello ## friend", "stop")


def test_the_responses_api_ends_there_too(client: OpenAI) -> None:
    reply = client.responses.create(
        model="taught", input="Hi", max_output_tokens=40, extra_body={"structured_outputs": {"regex": WRITTEN}}
    )
    assert reply.output_text == "Hello ## friend"


def test_a_stop_string_that_several_tokens_make_never_shows_in_a_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="taught",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=40,
        stop=["friend"],
        stream=True,
        extra_body={"structured_outputs": {"regex": WRITTEN}},
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == "Hello ## "
    again = client.chat.completions.create(
        model="taught",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=40,
        stream=True,
        extra_body={"structured_outputs": {"regex": WRITTEN}},
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in again if chunk.choices]
    assert "".join(pieces) == "Hello ## friend"
    assert not any("###" in piece for piece in pieces)
