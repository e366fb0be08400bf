import asyncio
import time
from itertools import pairwise

import openai
import pytest

from serve.chat.errors import explain
from serve.chat.language import texts_of
from serve.chat.stream import Endpoint, Reply, Settings
from tests.serve.scripted_server import MODEL, ScriptedServer

HELLO = [{"role": "user", "content": "Hello"}]


def endpoint(scripted: ScriptedServer) -> Endpoint:
    return Endpoint(base_url=scripted.base_url, api_key=None)


async def read(reply: Reply) -> list[str]:
    return [text async for text in reply.snapshots()]


def failure(base_url: str) -> str:
    async def ask() -> list[str]:
        return await read(Endpoint(base_url=base_url, api_key=None).reply(HELLO, Settings(model=MODEL)))

    with pytest.raises(openai.OpenAIError) as caught:
        asyncio.run(ask())
    return explain(caught.value, texts_of("en"), base_url=base_url)


def test_a_reply_grows_at_most_twenty_times_a_second(scripted: ScriptedServer) -> None:
    scripted.replies = [" ".join(f"w{n}" for n in range(100))]
    scripted.seconds_per_word = 0.005

    async def ask() -> list[str]:
        return await read(endpoint(scripted).reply(HELLO, Settings()))

    began = time.monotonic()
    snapshots = asyncio.run(ask())
    seconds = time.monotonic() - began
    assert snapshots[-1] == scripted.replies[0]
    assert all(later.startswith(earlier) for earlier, later in pairwise(snapshots))
    assert 5 < len(snapshots) <= seconds * 20 + 2


def test_the_request_holds_the_settings_and_the_history_as_it_is(scripted: ScriptedServer) -> None:
    history = [*HELLO, {"role": "assistant", "content": " \n Hi. "}, {"role": "user", "content": "Again"}]
    settings = Settings(system="Be brief.", temperature=0.25, top_p=0.5, max_tokens=7)

    async def ask() -> None:
        await read(endpoint(scripted).reply(history, settings))
        await read(endpoint(scripted).reply(HELLO, Settings(model="mine")))

    asyncio.run(ask())
    first, second = scripted.requests
    assert first["messages"] == [{"role": "system", "content": "Be brief."}, *history]
    assert (first["temperature"], first["top_p"], first["max_tokens"]) == (0.25, 0.5, 7)
    assert (first["model"], second["model"]) == (MODEL, "mine")
    assert second["messages"] == HELLO
    assert "max_tokens" not in second


def test_stopping_keeps_the_text_and_closes_the_request(scripted: ScriptedServer) -> None:
    scripted.replies = ["one two three four five six seven eight nine ten"]
    scripted.seconds_per_word = 0.2

    async def ask() -> Reply:
        reply = endpoint(scripted).reply(HELLO, Settings())
        async for text in reply.snapshots():
            if "two" in text:
                reply.stop()
        return reply

    began = time.monotonic()
    reply = asyncio.run(ask())
    assert time.monotonic() - began < 1.5
    assert reply.text.startswith("one two")
    assert "ten" not in reply.text
    assert reply.finish_reason is None
    wait_until_aborted(scripted)


def wait_until_aborted(scripted: ScriptedServer) -> None:
    deadline = time.monotonic() + 1
    while not scripted.aborted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert scripted.aborted == [0]


def test_many_replies_stream_at_once(scripted: ScriptedServer) -> None:
    scripted.replies = ["a b c d e f g h i j"]
    scripted.seconds_per_word = 0.05

    async def ask() -> list[list[str]]:
        one = endpoint(scripted)
        return await asyncio.gather(*(read(one.reply(HELLO, Settings(model=MODEL))) for _ in range(64)))

    began = time.monotonic()
    assert {snapshots[-1] for snapshots in asyncio.run(ask())} == {scripted.replies[0]}
    assert time.monotonic() - began < 64 * 0.5 / 4


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (401, "no key", "Set OPENAI_API_KEY"),
        (404, "The model `x` does not exist.", "The model `x` does not exist."),
        (400, "This model's maximum context length is 2048 tokens.", "too long for the model"),
        (429, "slow down", "Wait a moment"),
        (500, "engine dead", "look at its log"),
        (503, "no model yet", "try again in half a minute"),
    ],
)
def test_a_refusal_is_said_in_plain_words(scripted: ScriptedServer, status: int, said: str, expected: str) -> None:
    scripted.error = (status, said)
    assert expected in failure(scripted.base_url)


def test_an_absent_server_is_named() -> None:
    assert failure("http://127.0.0.1:9/v1").startswith("No server answers at http://127.0.0.1:9/v1.")


def test_a_connection_that_breaks_is_a_failure_and_keeps_the_text(scripted: ScriptedServer) -> None:
    scripted.replies = ["one two three"]
    scripted.break_after = 2

    async def ask() -> tuple[Reply, str]:
        reply = endpoint(scripted).reply(HELLO, Settings(model=MODEL))
        try:
            await read(reply)
        except openai.OpenAIError as error:
            return reply, explain(error, texts_of("en"), base_url=scripted.base_url)
        return reply, "no failure"

    reply, notice = asyncio.run(ask())
    assert reply.text == "one two"
    assert notice.startswith("No server answers")


def test_a_server_without_models_is_a_failure() -> None:
    assert "lists no model" in explain(openai.OpenAIError("the server lists no model"), texts_of("en"), base_url="x")
