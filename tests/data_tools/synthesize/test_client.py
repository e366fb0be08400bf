"""Requests that fail: what is asked again, after how long, and what ends a run."""

import asyncio
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from data_tools.synthesize import client as client_module
from data_tools.synthesize.budget import Budget, BudgetSpent, Limit, Price, parse_budget
from data_tools.synthesize.client import Client, Sampling, retry_after, wait_before
from data_tools.synthesize.store import Reply, Store
from templates import InputError
from tests.data_tools.synthesize.scripted import Body, Scripted, reply, scripted

SAMPLING = Sampling(max_tokens=16, temperature=1.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.sqlite")
    yield store
    store.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_FIRST_WAIT", 0.001)


def budget(limit: Limit | None = None) -> Budget:
    return Budget(limit, None, requests=0, prompt=0, completion=0)


def ask(server: Scripted, store: Store, *tasks: str, concurrency: int = 4) -> list[Reply]:
    async def run() -> list[Reply]:
        made = Client(base_url=server.base_url, model="m", store=store, budget=budget(), concurrency=concurrency)
        async with made as client:
            messages = [{"role": "user", "content": "Hello"}]
            asked = (client.ask(purpose="p", task=task, messages=messages, sampling=SAMPLING) for task in tasks)
            return await asyncio.gather(*asked)

    return asyncio.run(run())


def failing(*first: Response) -> Scripted:
    return Scripted(lambda _, number: first[number] if number < len(first) else reply("Hi."))


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (PlainTextResponse("busy", 503), "HTTP 503"),
        (PlainTextResponse("slow down", 429), "HTTP 429"),
        (PlainTextResponse("<html>a proxy's page</html>"), "HTTP 200"),
        (JSONResponse({"choices": []}), "HTTP 200"),
        (JSONResponse({"choices": [{"message": None}]}), "HTTP 200"),
    ],
)
def test_passing_faults_are_asked_again_and_kept_in_the_store(store: Store, response: Response, reason: str) -> None:
    with scripted(failing(response, response)) as server:
        [answer] = ask(server, store, "t")
    assert answer.text == "Hi."
    sums = store.sums()
    assert (sums.requests, sums.attempts, sums.replies, sums.failures, sums.lost) == (1, 3, 1, 2, 0)
    reasons = store._database.execute("select distinct reason from failures").fetchall()
    assert reasons == [(reason,)]


def test_retry_after_is_obeyed(store: Store) -> None:
    with scripted(failing(PlainTextResponse("", 429, headers={"Retry-After": "0.4"}))) as server:
        begun = time.monotonic()
        ask(server, store, "t")
    assert 0.4 <= time.monotonic() - begun < 3


def test_a_date_in_retry_after_is_a_number_of_seconds() -> None:
    seconds = retry_after(formatdate(time.time() + 30, usegmt=True))
    assert seconds is not None
    assert 25 < seconds <= 30
    assert (retry_after(None), retry_after("later"), retry_after("-3")) == (None, None, 0.0)


def test_waits_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_FIRST_WAIT", 0.5)
    for number in range(12):
        longest = min(0.5 * 2**number, 60)
        assert longest / 2 <= wait_before(number, None) <= longest
    assert wait_before(0, 7.0) == 7.0


def test_a_server_that_stays_away_ends_the_run_with_the_next_step(store: Store) -> None:
    with (
        scripted(Scripted(lambda *_: PlainTextResponse("", 500))) as server,
        pytest.raises(InputError, match=r"no reply in 8 attempts \(HTTP 500\); .* run the same command"),
    ):
        ask(server, store, "t")
    assert (store.sums().failures, store.sums().replies) == (8, 0)


def test_the_same_prompt_of_two_tasks_is_two_requests_and_of_one_task_one(store: Store) -> None:
    with scripted(failing()) as server:
        ask(server, store, "a", "b", "a")
        assert len(server.bodies) == 2
        ask(server, store, "a", "b")
        assert len(server.bodies) == 2
    assert "seed" not in server.bodies[0]


def test_no_more_requests_at_once_than_asked_for(store: Store) -> None:
    server = failing()
    server.most_seconds = 0.02
    with scripted(server):
        ask(server, store, *map(str, range(30)), concurrency=3)
    assert server.most_at_once == 3


def test_a_refused_request_is_an_empty_reply_and_not_asked_again(store: Store) -> None:
    with scripted(Scripted(lambda *_: JSONResponse({"error": {"message": "too  long"}}, 400))) as server:
        for _ in range(2):
            [answer] = ask(server, store, "t")
            assert (answer.finish_reason, answer.text) == ("refused", "HTTP 400: too long")
        assert len(server.bodies) == 1


def test_thoughts_are_no_part_of_a_reply(store: Store) -> None:
    with scripted(Scripted(lambda *_: "<think>Hm.\nWell.</think>\n\nHi.")) as server:
        assert ask(server, store, "t")[0].text == "Hi."


def test_missing_fields_do_not_matter(store: Store) -> None:
    def bare(_: Body, __: int) -> Response:
        return JSONResponse({"choices": [{"message": {"content": None}}]})

    with scripted(Scripted(bare)) as server:
        [answer] = ask(server, store, "t")
    assert (answer.text, answer.finish_reason, answer.completion_tokens) == ("", "stop", 0)


def test_a_budget_waits_for_what_is_under_way_and_is_never_exceeded() -> None:
    async def spend() -> tuple[int, float]:
        held = Budget(Limit(1, "dollars"), Price(0, 10_000), requests=0, prompt=0, completion=0)
        done = 0

        async def one() -> None:
            nonlocal done
            reserved = await held.reserve(0, 30)
            await asyncio.sleep(0.001)
            await held.settle(reserved, completion_tokens=7)
            done += 1

        results = await asyncio.gather(*(one() for _ in range(40)), return_exceptions=True)
        assert {type(result) for result in results} == {type(None), BudgetSpent}
        return done, held.dollars

    done, dollars = asyncio.run(asyncio.wait_for(spend(), 10))
    assert 0.7 < dollars <= 1
    assert done == round(dollars / 0.07)


@pytest.mark.parametrize("text", ["", "five", "-3", "0", "$5 tokens", "2 M tokens of", "1e9"])
def test_budgets_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--budget"):
        parse_budget(text)


def test_budgets() -> None:
    assert parse_budget("1,500") == Limit(1500, "tokens")
    assert parse_budget("500k tokens") == Limit(500_000, "tokens")
    assert parse_budget("$ 2.50") == parse_budget("2.5 usd") == Limit(2.5, "dollars")
    assert parse_budget("200requests") == Limit(200, "requests")
