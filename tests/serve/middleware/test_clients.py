"""The official client against the middleware over a real socket: what it retries, and what it raises."""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from serve.key_file import add_key
from serve.middleware.draining import RUNNING_HEADER
from serve.middleware.settings import VARIABLE, Limits, Settings
from tests.serve.middleware.guarded import application
from tests.serve.scripted_server import serving


def test_a_client_waits_for_its_turn_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, Settings(limits=Limits(requests_per_minute=60)).to_json())
    with serving(application()) as root, httpx.Client() as http:
        for _ in range(60):
            http.post(f"{root}/v1/chat/completions", json={})
        with pytest.raises(openai.RateLimitError) as refused:
            OpenAI(base_url=f"{root}/v1", api_key="none", max_retries=0).chat.completions.create(model="m", messages=[])
        assert refused.value.code == "rate_limit_exceeded"
        started = time.monotonic()
        OpenAI(base_url=f"{root}/v1", api_key="none").chat.completions.create(model="m", messages=[])
        assert time.monotonic() - started < 3


def test_a_wrong_key_is_the_clients_authentication_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "alice", limits={})
    monkeypatch.setenv(VARIABLE, Settings(keys_file=str(tmp_path / "keys.json")).to_json())
    with serving(application()) as root:
        OpenAI(base_url=f"{root}/v1", api_key=key).chat.completions.create(model="m", messages=[])
        with pytest.raises(openai.AuthenticationError) as refused:
            OpenAI(base_url=f"{root}/v1", api_key=f"{key}x").chat.completions.create(model="m", messages=[])
        assert refused.value.code == "invalid_api_key"


def test_one_model_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, Settings().to_json())
    with serving(application()) as root:
        client = OpenAI(base_url=f"{root}/v1", api_key="none")
        assert client.models.retrieve("org/vicuna").id == "org/vicuna"
        with pytest.raises(openai.NotFoundError) as missing:
            client.models.retrieve("nobody")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


async def status_of_post(host: str, body: bytes) -> int:
    """By a bare socket: httpx takes 20 seconds to look through the connections of 200 clients."""
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


def test_200_clients_on_8_places_are_all_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, Settings(limits=Limits(streams=8)).to_json())
    seen: Counter[int] = Counter()

    async def ask(host: str) -> None:
        status = 0
        while status != 200:
            status = await status_of_post(host, b'{"seconds": 0.02}')
            seen[status] += 1
            await asyncio.sleep(random.uniform(0.1, 0.6) if status == 429 else 0)

    async def ask_all(host: str) -> None:
        await asyncio.gather(*(ask(host) for _ in range(200)))

    with serving(application()) as root:
        asyncio.run(ask_all(root.removeprefix("http://")))
    assert seen[200] == 200
    assert seen[429] > 0
    assert set(seen) == {200, 429}


def test_a_server_that_stops_says_how_many_requests_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, Settings(draining_file=str(tmp_path / "draining")).to_json())

    async def count(root: str) -> list[str]:
        client = AsyncOpenAI(base_url=f"{root}/v1", api_key="none")
        async with httpx.AsyncClient() as http:
            slow = asyncio.create_task(
                client.chat.completions.create(model="m", messages=[], extra_body={"seconds": 0.5})
            )
            await asyncio.sleep(0.2)
            (tmp_path / "draining").touch()
            before = await http.get(f"{root}/health")
            await slow
            after = await http.get(f"{root}/health")
        return [answer.headers[RUNNING_HEADER] for answer in (before, after)]

    with serving(application()) as root:
        assert asyncio.run(count(root)) == ["1", "0"]
