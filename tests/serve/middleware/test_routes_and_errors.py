import json
import re
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serve.middleware.access_log import AccessLog
from serve.middleware.errors import rewritten
from serve.middleware.settings import Settings
from tests.serve.middleware.conftest import Guarded

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    "path",
    [
        "/secret", "/invocations", "/scale_elastic_ep", "/v1/systemone", "/ping", "/docs", "/v1/models/", "//v1/models",
        "/v1/chat/completions/batch", "/metrics/x", "/v1/%6dodel/x", "/health/../secret",
    ],
)  # fmt: skip
def test_what_is_not_listed_is_not_there(client: TestClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.request(method, path)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "unknown_url"


def test_another_method_is_405_with_the_one_that_there_is(client: TestClient) -> None:
    answer = client.put("/v1/models")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["error"]["code"] == "method_not_allowed"


LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (400, {"error": {"message": LONG, "type": "BadRequestError", "param": "input_tokens", "code": 400}},
         ("invalid_request_error", "input_tokens", "context_length_exceeded")),
        (400, {"error": {"message": "bad", "type": "Bad Request", "param": "body.max_tokens", "code": 400}},
         ("invalid_request_error", "max_tokens", None)),
        (400, {"error": {"message": "bad", "type": "Bad Request", "param": "body.0", "code": 400}},
         ("invalid_request_error", None, None)),
        (400, {"error": {"message": "bad", "type": "Bad Request", "param": "body", "code": 400}},
         ("invalid_request_error", None, None)),
        (404, {"error": {"message": "no", "type": "NotFoundError", "param": "model", "code": 404}},
         ("not_found_error", "model", "model_not_found")),
        (401, {"error": "Unauthorized"}, ("authentication_error", None, "invalid_api_key")),
        (422, {"detail": [{"loc": ["body"], "msg": "missing"}]}, ("invalid_request_error", None, None)),
        (429, {}, ("rate_limit_error", None, "rate_limit_exceeded")),
        (500, {"error": {"message": "x", "type": "InternalServerError", "code": 500}}, ("server_error", None, None)),
        (503, [1], ("server_error", None, None)),
    ],
)  # fmt: skip
def test_every_error_has_openais_shape(client: TestClient, status: int, body: Any, wanted: tuple[object, ...]) -> None:
    answer = client.post(CHAT, json={"fail": body or {"detail": ""}, "status": status})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"], error["code"]) == wanted
    assert error["message"]


def test_an_exception_is_a_500_that_says_nothing_of_the_inside(client: TestClient) -> None:
    answer = client.post(CHAT, json={"fail": "raises"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "Zero" not in answer.text


def test_an_error_within_a_stream_has_the_shape_and_says_what_to_do(client: TestClient) -> None:
    first, error, done, _ = client.post(CHAT, json={"stream": "dies"}).text.split("\n\n")
    assert (first, done) == ('data: {"n": 0}', "data: [DONE]")
    told = json.loads(error.removeprefix("data: "))["error"]
    assert (told["type"], told["code"], told["param"]) == ("server_error", "engine_stopped", None)
    assert "ask once more" in told["message"]


def test_what_is_no_json_becomes_the_message() -> None:
    assert json.loads(rewritten(502, b"Bad Gateway\n", path="/x"))["error"]["message"] == "Bad Gateway"
    assert json.loads(rewritten(500, b"", path="/x"))["error"]["message"] == "Internal Server Error"


def test_anthropics_clients_find_their_shape_too(client: TestClient) -> None:
    body = client.post("/v1/messages", json={"fail": {"detail": "x"}, "status": 400}).json()
    assert (body["type"], body["error"]["message"]) == ("error", "x")


def test_ids_are_ours_in_the_header_for_vllm_and_in_the_log(guarded: Guarded, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.jsonl"
    client = guarded(Settings(access_log=str(log)))
    answer = client.post(
        CHAT, json={"model": "m", "messages": [{"content": "secret"}]}, headers={"X-Request-Id": "mine"}
    )
    request_id = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    assert answer.json()["id"] == request_id
    record = json.loads(log.read_text())
    assert (record["id"], record["status"], record["model"], record["complete"]) == (request_id, 200, "m", True)
    assert (record["prompt_tokens"], record["completion_tokens"]) == (10, 5)
    assert "secret" not in log.read_text()


def test_a_log_that_cannot_be_written_fails_no_request(guarded: Guarded, capfd: pytest.CaptureFixture[str]) -> None:
    client = guarded(Settings(access_log="/dev/full"))
    assert [client.get("/v1/models").status_code for _ in range(3)] == [200, 200, 200]
    assert capfd.readouterr().err.count("cannot be written") == 1


def test_a_log_goes_on_once_the_disk_has_room_again(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "access.jsonl"
    log = AccessLog(str(path))
    log.write(status=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:  # a file that may not grow stands for a full disk: one line is cut off, the next is lost
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, before[1]))
        log.write(status=2)
        log.write(status=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    log.write(status=4)
    path.rename(tmp_path / "rotated")
    log.write(status=5)
    first, torn, last = (tmp_path / "rotated").read_text().splitlines()
    assert [json.loads(line)["status"] for line in (first, last, path.read_text())] == [1, 4, 5]
    assert torn.startswith('{"time"')


def test_streams_pass_at_once_and_unchanged(client: TestClient) -> None:
    answer = client.post(CHAT, json={"stream": True})
    assert answer.text == "".join(f'data: {{"n": {at}}}\n\n' for at in range(3))
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert "cache-control" not in client.post(CHAT, json={}).headers


def test_a_server_that_stops_takes_no_more(guarded: Guarded, tmp_path: Path) -> None:
    client = guarded(Settings(draining_file=str(tmp_path / "draining")))
    assert client.get("/health").status_code == 200
    (tmp_path / "draining").touch()
    for path in ("/health", "/v1/models"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert answer.json()["error"]["code"] == "server_stopping"
