import json
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from serve.key_file import add_key, digest, revoke_key
from serve.middleware.routes import ALLOWED
from serve.middleware.settings import Settings
from tests.serve.middleware.conftest import Guarded


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def key(keys: Path) -> str:
    return add_key(keys, "alice", limits={})


@pytest.fixture
def with_keys(guarded: Guarded, keys: Path, key: str, tmp_path: Path) -> TestClient:
    assert key
    page = digest("the page's", salt="")
    return guarded(Settings(keys_file=str(keys), page_key=page, access_log=str(tmp_path / "access.jsonl")))


@pytest.mark.parametrize("path", sorted(set(ALLOWED) - {"/health"} | {"/secret", "/nowhere", "/health/", "/HEALTH"}))
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_every_route_but_health_needs_a_key(with_keys: TestClient, path: str, method: str) -> None:
    refused = with_keys.request(method, path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    error = refused.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("authentication_error", "invalid_api_key", None)


def test_health_is_open(with_keys: TestClient) -> None:
    assert with_keys.get("/health").status_code == 200


def test_only_the_bearer_of_a_key_gets_in(with_keys: TestClient, key: str) -> None:
    wrong: list[tuple[dict[str, str], str]] = [
        ({"Authorization": f"Bearer {key}x"}, ""),
        ({"Authorization": f"Bearer {key[:-1]}"}, ""),
        ({"Authorization": f"Bearer {key.swapcase()}"}, ""),
        ({"Authorization": f"Basic {key}"}, ""),
        ({"Authorization": key}, ""),
        ({"Authorization": "Bearer "}, ""),
        ({"Authorization": "Bearer chaku--"}, ""),
        ({"X-API-Key": key}, ""),
        ({"api-key": key}, ""),
        ({"Cookie": f"Authorization=Bearer {key}"}, ""),
        ({}, f"?api_key={key}"),
        ({}, f"?Authorization=Bearer%20{key}"),
    ]
    for headers, query in wrong:
        assert with_keys.get(f"/v1/models{query}", headers=headers).status_code == 401, (headers, query)
    assert with_keys.get("/v1/models", headers={"AUTHORIZATION": f"bearer {key}"}).status_code == 200
    assert with_keys.get("/v1/models", headers={"Authorization": "Bearer the page's"}).status_code == 200


def test_two_authorizations_are_none(with_keys: TestClient, key: str) -> None:
    twice = [("authorization", f"Bearer {key}"), ("authorization", "Bearer other")]
    assert with_keys.get("/v1/models", headers=twice).status_code == 401


def test_a_revoked_key_ends_and_a_new_one_begins_while_the_server_runs(
    with_keys: TestClient, keys: Path, key: str
) -> None:
    bearer = {"Authorization": f"Bearer {key}"}
    assert with_keys.get("/v1/models", headers=bearer).status_code == 200
    other = add_key(keys, "bob", limits={})
    assert with_keys.get("/v1/models", headers={"Authorization": f"Bearer {other}"}).status_code == 200
    revoke_key(keys, "alice")
    assert with_keys.get("/v1/models", headers=bearer).status_code == 401
    keys.unlink()
    assert with_keys.get("/v1/models", headers={"Authorization": f"Bearer {other}"}).status_code == 401


def test_the_log_has_the_name_and_never_the_key(with_keys: TestClient, key: str, tmp_path: Path) -> None:
    with_keys.get(f"/v1/models?api_key={key}", headers={"Authorization": f"Bearer {key}"})
    with_keys.get(f"/v1/models?api_key={key}")
    text = (tmp_path / "access.jsonl").read_text()
    assert [json.loads(line)["key"] for line in text.splitlines()] == ["alice", None]
    assert key not in text


def test_the_file_holds_no_key_and_is_its_owners(keys: Path, key: str) -> None:
    text = keys.read_text()
    assert key not in text
    assert key.split("-", 2)[2] not in text
    assert os.stat(keys).st_mode & 0o077 == 0  # noqa: PTH116


def test_websockets_are_refused(with_keys: TestClient, client: TestClient) -> None:
    for one in (with_keys, client):
        with pytest.raises(WebSocketDisconnect), one.websocket_connect("/v1/realtime"):
            pass
