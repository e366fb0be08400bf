from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from serve.middleware.settings import VARIABLE, Settings
from tests.serve.middleware.guarded import application

Guarded = Callable[[Settings], TestClient]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """A client of an application behind all of the middleware, with these settings."""

    def start(settings: Settings) -> TestClient:
        monkeypatch.setenv(VARIABLE, settings.to_json())
        return TestClient(application(), raise_server_exceptions=False)

    return start


@pytest.fixture
def client(guarded: Guarded) -> TestClient:
    """A client of an unguarded server."""
    return guarded(Settings())
