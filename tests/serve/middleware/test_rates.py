import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from starlette.testclient import TestClient

from serve.key_file import add_key
from serve.middleware.rates import Bucket, Use, refusal
from serve.middleware.settings import Limits, Settings, with_limits
from templates import InputError
from tests.serve.middleware.conftest import Guarded

CHAT = "/v1/chat/completions"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_bucket_holds_a_minutes_worth_and_pays_its_debts() -> None:
    clock = Clock()
    bucket = Bucket(clock=clock)
    assert bucket.wait(60, 1) == 0
    bucket.spend(60, 90)
    assert bucket.wait(60, 1) == 31
    clock.now = 30
    assert bucket.wait(60, 1) == pytest.approx(1)
    clock.now = 1000
    assert bucket.wait(60, 60) == 0
    assert bucket.wait(60, 61) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), max_size=60))
def test_no_minute_sees_more_than_two_minutes_worth(steps: list[tuple[float, int]]) -> None:
    clock, spent = Clock(), []
    bucket = Bucket(clock=clock)
    for pause, cost in steps:
        clock.now += pause
        if bucket.wait(10, cost) == 0:
            bucket.spend(10, cost)
            spent.append((clock.now, cost))
    for start, _ in spent:
        assert sum(cost for at, cost in spent if start <= at < start + 60) <= 20 + 1e-6


def test_requests_a_minute(guarded: Guarded) -> None:
    client = guarded(Settings(limits=Limits(requests_per_minute=3)))
    assert [client.post(CHAT, json={}).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.post(CHAT, json={})
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert client.get("/v1/models").status_code == 200  # only replies are counted


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_is_set_changes_no_limit(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    client = guarded(Settings(limits=Limits(requests_per_minute=2)))
    assert [client.post(CHAT, json={}).status_code for _ in range(2)] == [200, 200]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    refused = client.post(CHAT, json={})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 30


def test_tokens_a_minute_are_charged_when_they_are_known(guarded: Guarded) -> None:
    client = guarded(Settings(limits=Limits(tokens_per_minute=20)))
    # 15 tokens each: the second may begin, since 5 are left, and overruns
    assert [client.post(CHAT, json={}).status_code for _ in range(3)] == [200, 200, 429]


def test_a_client_that_leaves_gives_its_place_back() -> None:
    use, limits = Use(), Limits(streams=1)
    assert refusal(use, limits) is None
    use.running = 1
    refused = refusal(use, limits)
    assert refused is not None
    assert refused.seconds == 1


def test_a_key_has_limits_of_its_own_and_pays_for_itself(guarded: Guarded, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    slow = add_key(keys, "slow", limits={"requests_per_minute": 1, "max_tokens": 5})
    quick = add_key(keys, "quick", limits={})
    client: TestClient = guarded(Settings(keys_file=str(keys), limits=Limits(requests_per_minute=2)))
    assert [client.post(CHAT, json={}, headers=bearer(slow)).status_code for _ in range(2)] == [200, 429]
    assert [client.post(CHAT, json={}, headers=bearer(quick)).status_code for _ in range(3)] == [200, 200, 429]


def test_keys_are_counted_by_name(guarded: Guarded, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    client = guarded(Settings(keys_file=str(keys)))
    client.post(CHAT, json={}, headers=bearer(add_key(keys, "counted", limits={})))
    labels = {"key": "counted", "route": CHAT, "status": "200"}
    assert REGISTRY.get_sample_value("chaku_requests_total", labels) == 1
    assert REGISTRY.get_sample_value("chaku_prompt_tokens_total", {"key": "counted"}) == 10
    assert REGISTRY.get_sample_value("chaku_completion_tokens_total", {"key": "counted"}) == 5
    assert REGISTRY.get_sample_value("chaku_requests_running", {"key": "counted"}) == 0


@pytest.mark.parametrize("wrong", ["stream=8", "streams", "streams=0", "streams=-1", "streams=many", "=1"])
def test_a_limit_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(InputError, match=r"--limit"):
        with_limits(Limits(), [wrong])
