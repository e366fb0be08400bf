"""Several APIs as one: their models side by side, each asked where it is."""

import asyncio
from collections.abc import Iterator

import openai
import pytest

from serve.chat.endpoints import connect
from serve.chat.stream import Settings
from tests.serve.scripted_server import ScriptedServer, running

DOWN = "http://127.0.0.1:9/v1"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def other(scripted: ScriptedServer) -> Iterator[ScriptedServer]:
    """A second API; both have a model `shared`."""
    scripted.models, scripted.context = ("shared", "llama"), 100
    with running(ScriptedServer(replies=["From the other."], models=("alpaca", "shared"), context=200)) as server:
        yield server


@pytest.mark.anyio
async def test_models_of_all_are_listed_and_asked_where_they_are(
    scripted: ScriptedServer, other: ScriptedServer
) -> None:
    both = connect([scripted.base_url, other.base_url], keys=None)
    assert [model.name for model in await both.models()] == ["shared", "llama", "alpaca"]
    assert (both.silent, await both.model()) == ([], "shared")
    assert [await both.context(name) for name in ("shared", "llama", "alpaca")] == [100, 100, 200]
    for model, text, server in (("alpaca", "From the other.", other), ("shared", "Hello.", scripted)):
        reply = both.reply(HELLO, Settings(model=model))
        assert [snapshot async for snapshot in reply.snapshots()][-1] == text
        assert [request["model"] for request in server.requests] == [model]
        assert both.url_of(model) == server.base_url
    assert both.url_of("nobody's") == f"{scripted.base_url}, {other.base_url}"


@pytest.mark.anyio
async def test_one_that_is_down_is_named_and_the_others_go_on(scripted: ScriptedServer) -> None:
    both = connect([DOWN, scripted.base_url], keys=None)
    assert [model.name for model in await both.models()] == list(scripted.models)
    assert both.silent == [DOWN]
    assert await both.count(HELLO, scripted.models[0]) == 1
    with pytest.raises(openai.APIConnectionError):
        await connect([DOWN, DOWN], keys=None).models()


@pytest.mark.anyio
async def test_the_given_model_comes_first(scripted: ScriptedServer, other: ScriptedServer) -> None:
    both = connect([scripted.base_url, other.base_url], keys=None, first="alpaca")
    assert [model.name for model in await both.models()] == ["alpaca", "shared", "llama"]
    assert await both.model() == "alpaca"


@pytest.mark.parametrize(
    ("count", "keys", "sent"),
    [
        (1, "a,b", ["a,b"]),
        (2, "a,b", ["a", "b"]),
        (3, "a", ["a", "none", "none"]),
        (2, ",b", ["none", "b"]),
        (1, None, ["none"]),
    ],
)
def test_a_key_is_sent_to_its_server_alone(count: int, keys: str | None, sent: list[str]) -> None:
    async def keys_of() -> list[str]:
        return [each._client.api_key for each in connect([DOWN] * count, keys=keys)._several]

    assert asyncio.run(keys_of()) == sent
