"""Whole runs of each method against a scripted server: what is made, resumed, replayed and spent."""

import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_tools.readers import parse, read_records
from data_tools.synthesize.budget import Limit, Price
from data_tools.synthesize.job import METHODS, Options, Summary, synthesize
from data_tools.synthesize.run import PATIENCE, Overrides
from templates import InputError
from tests.data_tools.synthesize.scripted import Body, Scripted, good_model, question, scripted
from tests.road import CHAKU

TARGET = 12


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(Scripted(good_model)) as server:
        yield server


def options(server: Scripted, out: Path, method: str = "alpaca", **values: Any) -> Options:
    defaults: dict[str, Any] = {"target": TARGET, "concurrency": 4, "base_url": server.base_url}
    return Options(method=method, out=out, **{**defaults, **values})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_reaches_its_target_can_be_read_and_is_replayed_without_a_server(
    server: Scripted, tmp_path: Path, method: str
) -> None:
    summary = synthesize(options(server, tmp_path, method))
    says_where_each_record_comes_from(tmp_path, summary)
    assert server.most_at_once <= 4
    both_files_are_read_as_the_same_conversations(tmp_path)
    names = ("alpaca.jsonl", "messages.jsonl", "rejected.jsonl")
    before, asked = [(tmp_path / name).read_bytes() for name in names], len(server.bodies)
    again = synthesize(options(server, tmp_path, method, base_url="http://127.0.0.1:9/v1", concurrency=16))
    assert [(tmp_path / name).read_bytes() for name in names] == before
    assert (again.asked, len(server.bodies)) == (0, asked)
    assert again.sums.attempts == again.sums.replies  # nothing was even tried


def says_where_each_record_comes_from(tmp_path: Path, summary: Summary) -> None:
    records = lines(tmp_path / "alpaca.jsonl")
    assert summary.ended == ""
    assert summary.structured
    assert len(records) == len(summary.outcome.kept) == TARGET
    assert len({record["id"] for record in records}) == TARGET
    for record in records:
        synthesis = record["synthesis"]
        assert synthesis["seeds"]
        assert synthesis["model"] == "scripted"
        assert synthesis["time"].startswith("20")
        assert all(step["prompt"] and len(step["request"]) == 64 and step["sampling"] for step in synthesis["steps"])


def both_files_are_read_as_the_same_conversations(tmp_path: Path) -> None:
    read = {}
    for name in ("alpaca.jsonl", "messages.jsonl"):
        raws = read_records(tmp_path / name, report=lambda _: None)
        records = [record for raw in raws for record in parse(raw)]
        assert not any(turn.rule for record in records for turn in record.turns)
        read[name] = [(record.id, [(turn.role, turn.text) for turn in record.turns]) for record in records]
    assert read["alpaca.jsonl"] == read["messages.jsonl"]
    assert len(read["alpaca.jsonl"]) == TARGET


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_replies_changes_nothing(server: Scripted, tmp_path: Path, method: str) -> None:
    server.most_seconds = 0.006
    made = []
    for name in ("one", "other"):
        synthesize(options(server, tmp_path / name, method))
        records = lines(tmp_path / name / "messages.jsonl")
        made.append([(record["id"], record["messages"], record["synthesis"]["seeds"]) for record in records])
    assert made[0] == made[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_ends_early_goes_on_as_if_it_had_not(server: Scripted, tmp_path: Path, method: str) -> None:
    whole = synthesize(options(server, tmp_path / "whole", method))
    for limit in (2, 4):
        part = synthesize(options(server, tmp_path / "parts", method, budget=Limit(limit, "requests")))
        assert part.sums.replies == limit
        assert part.ended == "the budget is spent"
    rest = synthesize(options(server, tmp_path / "parts", method))
    assert [kept.messages for kept in rest.outcome.kept] == [kept.messages for kept in whole.outcome.kept]
    assert rest.sums.replies == rest.sums.attempts == rest.sums.requests


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_a_budget_ended_is_replayed_as_it_was(server: Scripted, tmp_path: Path, method: str) -> None:
    server.most_seconds = 0.02
    limited = options(server, tmp_path, method, budget=Limit(23, "requests"), target=1000)
    first = synthesize(limited)
    names = ("alpaca.jsonl", "rejected.jsonl")
    before = [(tmp_path / name).read_bytes() for name in names]
    again = synthesize(limited)
    assert [(tmp_path / name).read_bytes() for name in names] == before
    assert again.ended == first.ended == "the budget is spent"
    assert (again.asked, again.sums) == (0, first.sums)


@pytest.mark.parametrize("method", ["alpaca", "self-instruct"])
def test_a_higher_target_adds_to_what_is_there(server: Scripted, tmp_path: Path, method: str) -> None:
    first = synthesize(options(server, tmp_path, method))
    more = synthesize(options(server, tmp_path, method, target=2 * TARGET))
    assert more.outcome.kept[:TARGET] == first.outcome.kept
    assert len(more.outcome.kept) == 2 * TARGET


def test_killed_twice_a_run_goes_on_and_its_store_adds_up(server: Scripted, tmp_path: Path) -> None:
    server.most_seconds = 0.1
    argv = [CHAKU, "data", "synthesize", "evol-instruct", "--base-url", server.base_url, "--target", "14"]
    argv += ["--concurrency", "4", "--out", str(tmp_path)]
    for more in (5, 5):
        until = len(server.bodies) + more
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(server.bodies) < until and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert "14 of 14" in done.stdout
    assert len(lines(tmp_path / "alpaca.jsonl")) == 14
    database = sqlite3.connect(tmp_path / "store.sqlite")
    [(attempts, replies, failures)] = database.execute(
        "select (select count(*) from attempts), (select count(*) from replies), (select count(*) from failures)"
    )
    twice = database.execute("select count(*) from attempts group by key having count(*) > 1").fetchall()
    lost = attempts - replies - failures
    assert failures == 0
    assert 1 <= lost <= 8  # what was under way at the two kills, and nothing else
    assert sum(count - 1 for (count,) in twice) <= lost
    assert len(server.bodies) <= attempts


def test_what_the_server_does_not_offer_is_asked_for_in_words(tmp_path: Path) -> None:
    def model(body: Body, _: int) -> str:
        assert "###" in question(body)
        task = json.loads(good_model(body, 0))["tasks"][0]["instruction"]
        return f"4. Instruction: {task}\n4. Input:\n<noinput>\n4. Output:\nA sound answer."

    with scripted(Scripted(model, schemas=False)) as server:
        summary = synthesize(options(server, tmp_path))
    assert not summary.structured
    assert len(summary.outcome.kept) == TARGET
    assert not any("response_format" in body for body in server.bodies)


def test_the_budget_is_never_exceeded(server: Scripted, tmp_path: Path) -> None:
    small = Overrides(max_tokens=64)
    tokens = synthesize(options(server, tmp_path / "a", budget=Limit(12_000, "tokens"), overrides=small, target=10**6))
    assert 6_000 < tokens.sums.prompt_tokens + tokens.sums.completion_tokens <= 12_000
    price = Price(1000, 2000)
    money = synthesize(options(server, tmp_path / "b", budget=Limit(12, "dollars"), price=price, target=10**6))
    assert 0 < money.dollars <= 12
    assert money.ended == "the budget is spent"


def test_a_model_that_makes_nothing_usable_is_given_up(tmp_path: Path) -> None:
    assert PATIENCE == 200
    with scripted(Scripted(lambda *_: "I'm sorry, as an AI I cannot.")) as server:
        summary = synthesize(options(server, tmp_path))
    assert summary.ended == "nothing was kept of the last 200 tasks"
    assert summary.outcome.reasons == {"refusal": 200}
    assert {reject["rule"] for reject in lines(tmp_path / "rejected.jsonl")} == {"refusal"}


def test_a_request_that_the_server_refuses_is_a_reject(tmp_path: Path) -> None:
    from starlette.responses import JSONResponse

    def model(body: Body, number: int) -> Any:
        return JSONResponse({"error": {"message": "too long"}}, 400) if number % 2 else good_model(body, number)

    with scripted(Scripted(model)) as server:
        summary = synthesize(options(server, tmp_path))
    assert summary.outcome.reasons["server_refused"] > 0
    assert len(summary.outcome.kept) == TARGET


def test_settings_of_the_first_run_hold(server: Scripted, tmp_path: Path) -> None:
    first = options(server, tmp_path)
    synthesize(first)
    with pytest.raises(InputError, match=r"was begun with another method \(alpaca, now multi-turn\)"):
        synthesize(replace(first, method="multi-turn"))
    with pytest.raises(InputError, match="was begun with another seeds; give the same options"):
        seeds = tmp_path / "seeds.jsonl"
        seeds.write_text('{"instruction": "Name a bird.", "output": "A wren."}\n', encoding="utf-8")
        synthesize(replace(first, seeds=seeds))
    with pytest.raises(InputError, match=r"another temperature \(None, now 0.5\)"):
        synthesize(replace(first, overrides=Overrides(temperature=0.5)))


def test_bad_servers_are_named(tmp_path: Path) -> None:
    from starlette.responses import JSONResponse

    nowhere = Options(method="alpaca", out=tmp_path / "a", target=1, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(InputError, match=r"--base-url http://127.0.0.1:9/v1: .*; is the server up\?"):
        synthesize(nowhere)
    with (
        scripted(Scripted(lambda *_: JSONResponse({"error": {"message": "bad key"}}, 401))) as server,
        pytest.raises(InputError, match="HTTP 401: bad key; check the key and the name of the model"),
    ):
        synthesize(options(server, tmp_path / "b"))
    with pytest.raises(InputError, match="is not a database"):
        (tmp_path / "c").mkdir()
        (tmp_path / "c" / "store.sqlite").write_text("a text" * 1000, encoding="utf-8")
        synthesize(options(server, tmp_path / "c"))


def test_a_store_is_for_one_process(server: Scripted, tmp_path: Path) -> None:
    from data_tools.synthesize.store import Store

    store = Store(tmp_path / "store.sqlite")
    store.settle("method", "alpaca")
    with pytest.raises(InputError, match="another run has it open"):
        synthesize(options(server, tmp_path))
    store.close()


def test_a_draw_does_not_depend_on_the_global_generator(server: Scripted, tmp_path: Path) -> None:
    random.seed(1)
    one = synthesize(options(server, tmp_path / "one"))
    random.seed(2)
    other = synthesize(options(server, tmp_path / "other"))
    assert [kept.messages for kept in one.outcome.kept] == [kept.messages for kept in other.outcome.kept]
    third = synthesize(options(server, tmp_path / "third", seed=1))
    assert [kept.messages for kept in third.outcome.kept] != [kept.messages for kept in one.outcome.kept]
