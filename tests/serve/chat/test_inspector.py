from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.requests import Request

from serve.chat.context import Context
from serve.chat.inspector import inspect_page
from serve.chat.store import conversations, messages
from serve.chat.store.access import NotFoundError
from serve.chat.store.database import open_database
from serve.chat.stream import ChatMessage, Endpoint
from templates.loading import load_encoder
from tests.serve.scripted_server import ScriptedServer

HOSTILE = "<script>x</script> <|im_end|> ü"


class Told(Endpoint):
    """An endpoint that tells what a test wants of a model's files and of a prompt's ids."""

    def __init__(self, directory: Path | None, ids: Sequence[int] | None) -> None:
        super().__init__(base_url="http://127.0.0.1:9/v1", model="m", api_key=None)
        self._directory, self._ids = directory, ids
        self.asked: Sequence[ChatMessage] = ()

    async def directory(self, model: str) -> Path | None:
        assert model == "m"
        return self._directory

    async def prompt_ids(self, messages: Sequence[ChatMessage], model: str) -> list[int] | None:
        self.asked = messages
        return None if self._ids is None else list(self._ids)


def begin(tmp_path: Path, endpoint: Endpoint) -> tuple[Context, str]:
    """A conversation with a system prompt and one reply; the reply's id."""
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    made = conversations.create(engine, "ana", model="m", system="Be brief.", settings={})
    messages.add(engine, "ana", made.id, role="user", content=HOSTILE)
    reply = messages.add(engine, "ana", made.id, role="assistant", content="Fine.", model="m")
    return Context(engine=engine, endpoint=endpoint), reply.id


async def look(context: Context, message: str, *, owner: str = "ana") -> str:
    scope: dict[str, Any] = {"type": "http", "headers": [], "query_string": f"message={message}".encode()}
    return bytes((await inspect_page(context, Request(scope), owner=owner)).body).decode()


ASKED: list[ChatMessage] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": HOSTILE}]


@pytest.mark.anyio
async def test_the_same_prompt_is_said_to_be_the_same(small_model: Path, tmp_path: Path) -> None:
    ids = load_encoder("tokenizer", small_model).encode_prompt(ASKED)
    endpoint = Told(small_model, ids)
    page = await look(*begin(tmp_path, endpoint))
    assert list(endpoint.asked) == ASKED
    assert f"exactly as the trainer does: {len(ids)} tokens" in page
    assert "<script>" not in page
    assert 'class="token supervised"' in page
    assert page.count("<h2>") == 3


@pytest.mark.anyio
async def test_the_first_difference_is_named(small_model: Path, tmp_path: Path) -> None:
    ids = load_encoder("tokenizer", small_model).encode_prompt(ASKED)
    page = await look(*begin(tmp_path, Told(small_model, [*ids[:5], 7, *ids[6:]])))
    assert "otherwise than the trainer from token 5 on" in page
    assert "Server: 7 " in page


@pytest.mark.anyio
@pytest.mark.parametrize(("ids", "said"), [([1, 2, 3], "These are the 3 ids"), (None, "there is nothing to show")])
async def test_without_the_models_files(ids: list[int] | None, said: str, tmp_path: Path) -> None:
    page = await look(*begin(tmp_path, Told(None, ids)))
    assert said in page
    assert ("1 2 3" in page) == (ids is not None)


@pytest.mark.anyio
async def test_a_server_that_is_gone_leaves_a_page(tmp_path: Path) -> None:
    page = await look(*begin(tmp_path, Endpoint(base_url="http://127.0.0.1:9/v1", model="m", api_key=None)))
    assert "there is nothing to show" in page


@pytest.mark.anyio
async def test_another_persons_turn_is_not_there(tmp_path: Path) -> None:
    context, reply = begin(tmp_path, Told(None, None))
    with pytest.raises(NotFoundError):
        await look(context, reply, owner="ben")


@pytest.mark.anyio
async def test_an_endpoint_tells_files_only_where_they_are(scripted: ScriptedServer) -> None:
    there = Endpoint(base_url=scripted.base_url, model=None, api_key=None)
    assert await there.directory("vicugna-7b") is None
    assert await there.prompt_ids(ASKED, "vicugna-7b") is None
    with pytest.raises(openai.OpenAIError):
        await Endpoint(base_url="http://127.0.0.1:9/v1", model=None, api_key=None).directory("m")
