"""The official `openai` client as a contract: what it sends is understood, and what comes back is what it expects."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from serve.middleware.routes import ALLOWED
from tests.road import ROOT, Served

pytestmark = pytest.mark.e2e

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me about llamas and alpacas."}]
MANY_BYTES = "größer, 中文, 👩‍👩‍👧 and é"


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=served.api, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def model(client: OpenAI) -> str:
    return client.models.list().data[0].id


@pytest.fixture(scope="module")
def reply(client: OpenAI, model: str) -> tuple[str, list[str]]:
    """What the model says by itself, and its tokens."""
    done = client.chat.completions.create(model=model, messages=ASKED, temperature=0, max_tokens=24, logprobs=True)
    assert done.choices[0].logprobs is not None
    assert done.choices[0].logprobs.content is not None
    return done.choices[0].message.content or "", [item.token for item in done.choices[0].logprobs.content]


def streamed(
    client: OpenAI, model: str, *, stop: str | None = None, extra: dict[str, object] | None = None
) -> list[str]:
    pieces = client.chat.completions.create(
        model=model, messages=ASKED, temperature=0, max_tokens=24, stop=stop, stream=True, extra_body=extra
    )
    return [piece.choices[0].delta.content or "" for piece in pieces if piece.choices]


def test_models(client: OpenAI, model: str) -> None:
    assert [card.id for card in client.models.list()] == [model]
    assert client.models.retrieve(model).id == model


def test_of_all_that_vllm_has_only_the_listed_routes_are_open(served: Served) -> None:
    paths = httpx.get(f"{served.root}/openapi.json").json()["paths"]
    assert set(ALLOWED) - set(paths) == {"/openapi.json"}
    closed = sorted(set(paths) - set(ALLOWED))
    assert "/invocations" in closed
    for path in closed:
        assert {httpx.request(method, f"{served.root}{path}").status_code for method in ("GET", "POST")} == {404}, path


def test_chat_and_stream_say_the_same_with_usage(client: OpenAI, model: str, reply: tuple[str, list[str]]) -> None:
    text, tokens = reply
    assert "".join(tokens).startswith(text)
    pieces = client.chat.completions.create(
        model=model,
        messages=ASKED,
        temperature=0,
        max_tokens=24,
        stream=True,
        stream_options={"include_usage": True},
    )
    *events, last = list(pieces)
    assert "".join(event.choices[0].delta.content or "" for event in events) == text
    assert last.usage is not None
    assert last.usage.completion_tokens == len(tokens)
    assert events[-1].choices[0].finish_reason in ("stop", "length")


def test_n_and_seed(client: OpenAI, model: str) -> None:
    def replies(seed: int) -> list[str | None]:
        done = client.chat.completions.create(model=model, messages=ASKED, n=2, seed=seed, temperature=1, max_tokens=12)
        return [choice.message.content for choice in done.choices]

    first = replies(1)
    assert len(first) == 2
    assert replies(1) == first
    assert replies(2) != first


def test_logprobs(client: OpenAI, model: str) -> None:
    done = client.chat.completions.create(
        model=model, messages=ASKED, logprobs=True, top_logprobs=3, max_tokens=2, temperature=0
    )
    assert done.choices[0].logprobs is not None
    for item in done.choices[0].logprobs.content or []:
        assert len(item.top_logprobs) == 3
        assert item.logprob == pytest.approx(max(top.logprob for top in item.top_logprobs))


def test_a_json_schema_is_kept(client: OpenAI, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"animal": {"enum": ["llama", "alpaca"]}, "legs": {"enum": [4]}},
        "required": ["animal", "legs"],
        "additionalProperties": False,
    }
    done = client.chat.completions.create(
        model=model,
        messages=ASKED,
        max_tokens=40,
        response_format={"type": "json_schema", "json_schema": {"name": "animal", "schema": schema, "strict": True}},
    )
    assert json.loads(done.choices[0].message.content or "")["animal"] in ("llama", "alpaca")


def test_completions_and_responses(client: OpenAI, model: str) -> None:
    plain = client.completions.create(model=model, prompt="Llamas are", max_tokens=4, temperature=0)
    assert plain.usage is not None
    assert plain.usage.completion_tokens <= 4
    response = client.responses.create(model=model, input="Tell me about llamas.", max_output_tokens=8)
    assert response.output_text
    with client.responses.stream(model=model, input="Tell me about llamas.", max_output_tokens=8) as events:
        kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")


def test_tools_without_a_parser_for_them_are_a_400(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.BadRequestError, match="tool"):
        client.chat.completions.create(
            model=model, messages=ASKED, tools=[{"type": "function", "function": {"name": "weather"}}]
        )


def test_a_stop_ends_the_reply_and_is_not_shown(client: OpenAI, model: str, reply: tuple[str, list[str]]) -> None:
    text, tokens = reply
    # the end of one token and the beginning of the next, so that it comes in two pieces
    at = next(at for at in range(4, len(tokens) - 1) if len(tokens[at]) > 1 and len(tokens[at + 1]) > 1)
    stop = tokens[at][-2:] + tokens[at + 1][:2]
    wanted = text[: text.index(stop)]
    pieces = streamed(client, model, stop=stop)
    assert "".join(pieces) == wanted
    done = client.chat.completions.create(model=model, messages=ASKED, temperature=0, max_tokens=24, stop=[stop])
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (wanted, "stop")


def test_a_reply_that_ends_in_the_beginning_of_a_stop_arrives_whole(
    client: OpenAI, model: str, reply: tuple[str, list[str]]
) -> None:
    text = reply[0]
    for shared in (1, 3, 8):
        stop = text[-shared:] + "~never~"
        assert "".join(streamed(client, model, stop=stop)) == text


def test_characters_of_several_bytes_are_never_broken(client: OpenAI, model: str) -> None:
    pieces = streamed(client, model, extra={"structured_outputs": {"choice": [MANY_BYTES]}, "max_tokens": 60})
    assert "".join(pieces) == MANY_BYTES
    assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("stream", [False, True])
def test_too_long_a_prompt_has_its_code_before_the_first_byte(client: OpenAI, model: str, stream: bool) -> None:
    long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "word " * 30_000}]
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=model, messages=long, stream=stream)
    assert raised.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=model, messages=ASKED, max_tokens=10_000_000, stream=stream)
    assert raised.value.code == "context_length_exceeded"


def test_errors_are_the_clients_classes(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody", messages=ASKED)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert missing.value.request_id
    with pytest.raises(openai.NotFoundError) as unknown:
        client.embeddings.create(model=model, input="x")
    assert unknown.value.code == "unknown_url"
    for wrong in ({"temperature": -1}, {"max_tokens": "many"}, {"n": 100}, {"chat_template": "{{ 1 }}"}):
        with pytest.raises(openai.BadRequestError) as bad:
            client.chat.completions.create(model=model, messages=ASKED, extra_body=wrong)
        assert bad.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages": [{"role": "user", "content": "a\\u0000b"}], "prompt": "\\u0000", "input": "\\u0000"}',
        b'{"seed": 1' + b"0" * 5000 + b"}",
        b'{"temperature": 1e999}',
        b'{"n": 0}',
        b'{"messages": 7}',
        b'{"stop": {"a": 1}}',
        b"{",
    ],
)
@pytest.mark.parametrize("route", ["chat/completions", "completions", "responses", "messages"])
def test_no_request_is_a_500(served: Served, model: str, route: str, body: bytes) -> None:
    whole = {"model": model, "messages": ASKED, "prompt": "x", "input": "x", "max_tokens": 2}
    sent = json.dumps(whole)[:-1].encode() + b", " + body[1:]
    answer = httpx.post(f"{served.api}/{route}", content=sent, headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code < 500
    assert answer.is_success or set(answer.json()["error"]) == {"message", "type", "param", "code"}


def running(served: Served) -> float:
    """Requests that run, by our own count and by the engine's."""
    lines = httpx.get(f"{served.root}/metrics").text.splitlines()
    counts = ("chaku_requests_running{", "vllm:num_requests_running{")
    return max(float(line.split()[-1]) for line in lines if line.startswith(counts))


def test_a_client_that_leaves_frees_its_place_within_a_second(served: Served, client: OpenAI, model: str) -> None:
    long = {"max_tokens": 400, "extra_body": {"ignore_eos": True}}
    stream = client.chat.completions.create(model=model, messages=ASKED, stream=True, **long)  # type: ignore[call-overload]
    next(iter(stream))
    assert running(served) == 1
    stream.close()
    assert_none_runs_within_a_second(served)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=1).chat.completions.create(model=model, messages=ASKED, **long)  # type: ignore[call-overload]
    assert_none_runs_within_a_second(served)


def assert_none_runs_within_a_second(served: Served) -> None:
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if running(served) == 0:
            return
        time.sleep(0.02)
    raise AssertionError("it still runs")


def test_a_slow_reader_gets_all_and_holds_nobody_up(served: Served, client: OpenAI, model: str) -> None:
    body = json.dumps(
        {"model": model, "messages": ASKED, "max_tokens": 100, "stream": True, "ignore_eos": True}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    with connection(served) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
        assert client.chat.completions.create(model=model, messages=ASKED, max_tokens=2).choices
        received = b""
        while piece := reader.recv(256):
            received += piece
            time.sleep(0.005)
    assert received.count(b'"content":') >= 50  # characters of several bytes share a piece
    assert b"data: [DONE]" in received


@pytest.mark.parametrize("header", ["X-A: " + "a" * 5_000_000, "\r\n".join(f"X-{n}: 1" for n in range(3000))])
def test_huge_headers_end_no_server(served: Served, client: OpenAI, header: str) -> None:
    with connection(served) as sender, contextlib.suppress(ConnectionError):
        sender.sendall(f"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n".encode())
        assert sender.recv(100).split()[1] in (b"200", b"400", b"431")
    assert client.models.list().data


def connection(served: Served) -> socket.socket:
    host, port = served.root.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def test_metrics_have_all_that_the_dashboard_shows(served: Served) -> None:
    dashboard = (ROOT / "examples" / "launch" / "grafana.json").read_text(encoding="utf-8")
    shown = set(re.findall(r"(?:vllm:|chaku_)[a-z_]+", dashboard))
    there = {line.split("{")[0] for line in httpx.get(f"{served.root}/metrics").text.splitlines()}
    assert len(shown) >= 10
    assert shown <= there
