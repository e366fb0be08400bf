import asyncio
from pathlib import Path

import pytest

from data_tools.synthesize.client import Sampling
from data_tools.synthesize.store import Reply
from evaluate.asking import find_endpoint, open_client
from templates import InputError
from tests.serve.scripted_server import ScriptedServer, running


def test_a_refusal_names_the_option_that_gave_the_address(tmp_path: Path) -> None:
    with running(ScriptedServer(error=(401, "bad key"))) as server:
        endpoint = find_endpoint(server.base_url, model="m", flag="--judge-url", key_names=())

        async def ask() -> Reply:
            async with open_client(endpoint, tmp_path / "judge.sqlite", concurrency=1) as client:
                question = [{"role": "user", "content": "Hi"}]
                return await client.ask(
                    purpose="p", task="t", messages=question, sampling=Sampling(max_tokens=4, temperature=0)
                )

        with pytest.raises(InputError, match=r"^--judge-url http://\S+: HTTP 401: bad key; check the key"):
            asyncio.run(ask())
