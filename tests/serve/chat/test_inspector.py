import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import openai
import pytest
from playwright.sync_api import Page, expect
from starlette.requests import Request

from serve.chat.context import Context
from serve.chat.endpoints import Endpoints
from serve.chat.inspector import inspect_page
from serve.chat.store import conversations, messages
from serve.chat.store.access import NotFoundError
from serve.chat.store.database import open_database
from serve.chat.stream import ChatMessage, Endpoint, Model
from templates.loading import load_encoder
from tests.serve.chat.on_page import ask
from tests.serve.scripted_server import ScriptedServer

HOSTILE = "<script>x</script> <|im_end|> ü"


class Told(Endpoint):
    """An endpoint that tells what a test wants of a model's files and of a prompt's ids."""

    def __init__(self, directory: Path | None, ids: Sequence[int] | None) -> None:
        super().__init__(base_url="http://127.0.0.1:9/v1", api_key=None)
        self._directory, self._ids = directory, ids
        self.asked: Sequence[ChatMessage] = ()

    async def directory(self, model: str) -> Path | None:
        assert model == "m"
        return self._directory

    async def models(self) -> list[Model]:
        return [Model("m", None)]

    async def prompt_ids(self, messages: Sequence[ChatMessage], model: str) -> list[int] | None:
        self.asked = messages
        return None if self._ids is None else list(self._ids)


def begin(tmp_path: Path, endpoint: Endpoint) -> tuple[Context, str]:
    """A conversation with a system prompt and one reply; the reply's id."""
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    made = conversations.create(engine, "ana", model="m", system="Be brief.", settings={})
    messages.add(engine, "ana", made.id, role="user", content=HOSTILE)
    reply = messages.add(engine, "ana", made.id, role="assistant", content="Fine.", model="m")
    return Context(engine=engine, endpoint=Endpoints([endpoint])), reply.id


async def look(context: Context, message: str, *, owner: str = "ana", language: str = "en") -> str:
    headers = [(b"accept-language", language.encode())]
    scope: dict[str, Any] = {"type": "http", "headers": headers, "query_string": f"message={message}".encode()}
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
    encoder = load_encoder("tokenizer", small_model)
    ids = encoder.encode_prompt(ASKED)
    page = await look(*begin(tmp_path, Told(small_model, [*ids[:5], 7, *ids[6:]])))
    assert "otherwise than the trainer from token 5 on" in page
    assert f"Before it, both: … '<|im_start|>' {ids[0]}, 'system' {ids[1]}, " in unescape(page)
    assert f"From there, the server: {encoder.decode([7])!r} 7, " in unescape(page)


@pytest.mark.anyio
async def test_a_server_with_another_template_is_told_apart(small_model: Path, tmp_path: Path) -> None:
    ours, theirs = (load_encoder(name, small_model).encode_prompt(ASKED) for name in ("tokenizer", "vicuna_v1.1"))
    page = await look(*begin(tmp_path, Told(small_model, theirs)))
    assert "from token 0 on: the server renders another text: its chat template is not the one" in page
    assert f"From there, the trainer: '<|im_start|>' {ours[0]}, 'system' {ours[1]}, " in unescape(page)
    assert f"From there, the server: 'Be' {theirs[0]}, ' brief' {theirs[1]}, " in unescape(page)


@pytest.mark.anyio
async def test_the_chinese_page_has_no_english_but_the_conversations(small_model: Path, tmp_path: Path) -> None:
    theirs = load_encoder("vicuna_v1.1", small_model).encode_prompt(ASKED)
    page = await look(*begin(tmp_path, Told(small_model, theirs)), language="zh-CN")
    assert '<html lang="zh">' in page
    shown = re.sub(r'<h1>.*?</h1>|<p class="(tokens|note)".*?</p>', "", page[page.index("<main>") :], flags=re.DOTALL)
    assert re.findall(r"[A-Za-z]+", re.sub(r"<[^>]*>", "", shown)) == []
    assert {word for title in re.findall(r'title="([^"]*)"', page) for word in re.findall("[A-Za-z]+", title)} == set()
    assert "起，服务器读到的提示与训练时不同：服务器渲染出的文本不同" in page


@pytest.mark.anyio
async def test_ids_that_no_token_has_are_shown_as_they_are(small_model: Path, tmp_path: Path) -> None:
    page = await look(*begin(tmp_path, Told(small_model, [10**6])))
    assert "From there, the server: '' 1000000 " in unescape(page)


@pytest.mark.anyio
async def test_a_reply_that_an_export_would_not_teach_is_context(small_model: Path, tmp_path: Path) -> None:
    context, reply = begin(tmp_path, Told(small_model, None))
    messages.judge(context.engine, "ana", reply, thumb=-1, reason="")
    page = await look(context, reply)
    assert "This reply would not be taught" in page
    assert "0 supervised" in page


@pytest.mark.anyio
async def test_a_question_has_a_prompt_of_its_own(small_model: Path, tmp_path: Path) -> None:
    endpoint = Told(small_model, None)
    context, reply = begin(tmp_path, endpoint)
    question = messages.get(context.engine, "ana", reply).parent
    page = await look(context, question or "")
    assert list(endpoint.asked) == ASKED
    assert page.count("<h2>") == 2
    assert 'class="token supervised"' not in page.split("</p>", 1)[1]  # after the legend


@pytest.mark.browser
def test_every_turn_is_one_click_from_its_tokens(page: Page, scripted: ScriptedServer, small_model: Path) -> None:
    encoder = load_encoder("tokenizer", small_model)
    scripted.root, scripted.prompt_ids = str(small_model), encoder.encode_prompt
    ask(page, "Name a camelid.")
    for links, supervised in ((page.locator(".turn.user"), 0), (page.locator(".turn.bot"), 3)):
        with page.context.expect_page() as opened:
            links.get_by_role("link", name="Inspect the prompt").click()
        tokens = opened.value.locator(".tokens .token")
        expect(tokens.filter(has_text="<|im_start|>").first).to_have_attribute("title", "1 control")
        expect(opened.value.locator(".tokens .supervised")).to_have_count(supervised)  # Hello, full stop, end
        expect(opened.value.locator(".note")).to_contain_text("exactly as the trainer does")
        opened.value.close()


@pytest.mark.anyio
@pytest.mark.parametrize(("ids", "said"), [([1, 2, 3], "These are the 3 ids"), (None, "there is nothing to show")])
async def test_without_the_models_files(ids: list[int] | None, said: str, tmp_path: Path) -> None:
    page = await look(*begin(tmp_path, Told(None, ids)))
    assert said in page
    assert ("1 2 3" in page) == (ids is not None)


@pytest.mark.anyio
async def test_a_server_that_is_gone_leaves_a_page(tmp_path: Path) -> None:
    page = await look(*begin(tmp_path, Endpoint(base_url="http://127.0.0.1:9/v1", api_key=None)))
    assert "there is nothing to show" in page


@pytest.mark.anyio
async def test_another_persons_turn_is_not_there(tmp_path: Path) -> None:
    context, reply = begin(tmp_path, Told(None, None))
    with pytest.raises(NotFoundError):
        await look(context, reply, owner="ben")


@pytest.mark.anyio
async def test_an_endpoint_tells_files_only_where_they_are(scripted: ScriptedServer) -> None:
    there = Endpoint(base_url=scripted.base_url, api_key=None)
    assert await there.directory("vicugna-7b") is None
    assert await there.prompt_ids(ASKED, "vicugna-7b") is None
    with pytest.raises(openai.OpenAIError):
        await Endpoint(base_url="http://127.0.0.1:9/v1", api_key=None).directory("m")
