import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from serve.middleware.fingerprint import VARIABLE, FingerprintMiddleware


async def models(request: Request) -> Response:
    if "fail" in request.query_params:
        return JSONResponse({"error": {"message": "no"}}, status_code=401)
    return JSONResponse({"object": "list", "data": [{"id": "a"}, {"id": "b"}]})


async def stream(_: Request) -> Response:
    return StreamingResponse(iter([b"one", b"two"]))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv(VARIABLE, "f00d")
    app = Starlette(routes=[Route("/v1/models", models), Route("/v1/other", stream)])
    app.add_middleware(FingerprintMiddleware)
    return TestClient(app)


def test_each_model_card_shows_the_fingerprint(client: TestClient) -> None:
    answer = client.get("/v1/models")
    assert [card["chaku"] for card in answer.json()["data"]] == [{"fingerprint": "f00d"}] * 2
    assert answer.headers["content-length"] == str(len(answer.content))


def test_errors_and_other_routes_pass_untouched(client: TestClient) -> None:
    refused = client.get("/v1/models?fail=1")
    assert (refused.status_code, refused.json()) == (401, {"error": {"message": "no"}})
    assert client.get("/v1/other").content == b"onetwo"
