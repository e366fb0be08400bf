import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from serve.middleware.stop_strings import VARIABLE, StopStringsMiddleware, with_stop


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv(VARIABLE, '["\\n###"]')
    app = Starlette(
        routes=[
            Route(path, echo, methods=["POST"])
            for path in ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses")
        ]
    )
    app.add_middleware(StopStringsMiddleware)
    return TestClient(app)


@pytest.mark.parametrize(
    ("own", "stop"),
    [
        ({}, ["\n###"]),
        ({"stop": None}, ["\n###"]),
        ({"stop": "END"}, ["END", "\n###"]),
        ({"stop": ["a", "\n###"]}, ["a", "\n###"]),
        ({"stop": []}, ["\n###"]),
    ],
)
def test_a_chat_completion_stops_where_the_template_does(
    client: TestClient, own: dict[str, object], stop: list[str]
) -> None:
    sent = {"model": "m", "messages": [{"role": "user", "content": "größer 😀"}], **own}
    assert client.post("/v1/chat/completions", json=sent).json() == {**sent, "stop": stop}


def test_other_apis_of_the_server_stop_there_too(client: TestClient) -> None:
    assert client.post("/v1/responses", json={"input": "Hi"}).json() == {"input": "Hi", "stop": ["\n###"]}
    asked = {"stop_sequences": ["END"]}
    assert client.post("/v1/messages", json=asked).json() == {"stop_sequences": ["END", "\n###"]}


def test_a_body_in_pieces_is_whole_again(client: TestClient) -> None:
    pieces = iter([b'{"model": ', b'"m"', b"}"])
    assert client.post("/v1/chat/completions", content=pieces).json() == {"model": "m", "stop": ["\n###"]}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"stop": 7}', b"[" * 100_000])
def test_what_is_no_request_is_left_to_the_server(client: TestClient, body: bytes) -> None:
    assert client.post("/v1/chat/completions", content=body).content == body


def test_plain_completions_have_no_template_and_pass_untouched(client: TestClient) -> None:
    assert client.post("/v1/completions", content=b'{"prompt": "x"}').content == b'{"prompt": "x"}'


def test_the_worked_example() -> None:
    assert json.loads(with_stop(b'{"stop": "END"}', ["\n###"]))["stop"] == ["END", "\n###"]
