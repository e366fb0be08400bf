"""Whole runs against scripted servers: killed and resumed, hostile answers, unreadable verdicts, broken servers."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from evaluate import run as run_module
from evaluate.run import JudgeAt, Options, evaluate
from templates import InputError
from tests.evaluate.scripted_judge import MODEL, Scripted, asked, running
from tests.road import CHAKU


def talk(body: dict[str, Any]) -> str | None:
    """A model that answers, and a judge that gives 7 and prefers A; JSON where that is asked for."""
    text = asked(body)
    if "response_format" in body:
        names = body["response_format"]["json_schema"]["schema"]["properties"]
        return json.dumps(
            {"explanation": "so", "rating": 7} if "rating" in names else {"explanation": "", "winner": "A"}
        )
    return "[[10]] " + text[:20]


def options(out: Path, url: str, **changes: Any) -> Options:
    settings = {"model": url, "out": out, "judges": (JudgeAt(url, MODEL),), "limit": 4, **changes}
    return Options(**settings)


def test_a_run_is_not_asked_twice(tmp_path: Path) -> None:
    with running(Scripted(talk)) as server:
        first = evaluate(options(tmp_path, server.base_url, against=server.base_url, against_name="other"))
        asked_once = len(server.requests)
        again = evaluate(options(tmp_path, server.base_url, against=server.base_url, against_name="other"))
        assert len(server.requests) == asked_once
    assert first["judged"] == again["judged"]
    judged = first["judged"][0]
    assert judged["structured"]
    assert judged["scores"][0][0]["mean"] == 7.0
    assert judged["win_rates"][0]["ties"] == 8  # always the first: no order agrees with the other
    assert judged["trust"]["position"]["first"]["mean"] == 1.0
    assert any("contradicts itself" in warning for warning in judged["warnings"])
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["summary"] == first["summary"]
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    def command(url: str) -> list[str]:
        judge = ("--judge-url", url, "--judge-model", MODEL)
        return [CHAKU, "evaluate", url, *judge, "--n", "10", "--concurrency", "4", "--out", str(tmp_path)]

    with running(Scripted(talk, seconds=0.01)) as server:
        process = subprocess.Popen(command(server.base_url))
        deadline = time.monotonic() + 30
        while len(server.requests) < 40 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (tmp_path / "report.json").exists()
        subprocess.run(command(server.base_url), check=True, env={**os.environ, "COLUMNS": "120"})
        needed = 20 + 30 + 1 + 20  # answers, instructions, the probe, grades
        assert needed <= len(server.requests) <= needed + 4  # what the kill cut off was asked again
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["judged"][0]["trust"]["readability"]["verdicts"] == 20


def test_an_interrupted_run_ends_without_a_word(tmp_path: Path) -> None:
    with running(Scripted(talk, seconds=0.5)) as server:
        command = [CHAKU, "evaluate", server.base_url, "--concurrency", "4", "--out", str(tmp_path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while len(server.requests) < 8 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=20)
    assert (process.returncode, complaint) == (130, b"")


def test_verdicts_that_cannot_be_read_are_asked_again_and_counted(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> str | None:
        text = asked(body)
        if "response_format" in body:
            return "I do not write JSON."
        if "grade the answer" in body["messages"][0]["content"]:
            is_again = body["temperature"] > 0
            return "Good. [[5]]" if is_again and "lighthouse" not in text else "It is good."
        return "[[10]]" if "conversation of two questions" in body["messages"][0]["content"] else "My answer: [[10]]"

    with running(Scripted(reply)) as server:
        report = evaluate(options(tmp_path, server.base_url))
    judged = report["judged"][0]
    assert not judged["structured"]
    readability = judged["trust"]["readability"]
    assert (readability["verdicts"], readability["unreadable"]) == (8, 1 if "lighthouse" in str(report["items"]) else 0)
    assert readability["retried"] == 4
    assert {failure["what"] for failure in report["failures"]} <= {f"no verdict of {MODEL}"}
    assert len(report["failures"]) == readability["unreadable"]


def test_a_refused_question_is_a_failure_that_is_shown(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> str | None:
        return None if len(body["messages"]) > 2 else talk(body)

    with running(Scripted(reply)) as server:
        report = evaluate(options(tmp_path, server.base_url, limit=2))
    refused = [failure for failure in report["failures"] if failure["what"] == f"no answer of {MODEL}"]
    assert len(refused) == 2
    assert "too long" in refused[0]["detail"]
    assert report["judged"][0]["scores"][0][0]["verdicts"] == 2


def test_judges_and_models_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="neither an address"):
        evaluate(options(tmp_path, "nothing/there"))
    with pytest.raises(InputError, match=r"MODEL_OR_URL http://127\.0\.0\.1:9/"):
        evaluate(options(tmp_path, "http://127.0.0.1:9/v1"))
    with running(Scripted(talk)) as server:
        evaluate(options(tmp_path / "a", server.base_url, judges=()))
        with pytest.raises(InputError, match="replies of another model"):
            evaluate(options(tmp_path / "a", server.base_url, judges=(), model_name="another"))
    monkeypatch.setattr(run_module, "find_endpoint", None)


def test_two_judges_are_compared(tmp_path: Path) -> None:
    def other(body: dict[str, Any]) -> str | None:
        text = talk(body)
        return text.replace('"A"', '"tie"').replace("7", "5") if text else None

    with running(Scripted(talk)) as server, running(Scripted(other)) as second:
        judges = (JudgeAt(server.base_url, "one"), JudgeAt(second.base_url, "two"))
        report = evaluate(
            options(tmp_path, server.base_url, judges=judges, against=server.base_url, against_name="b", limit=2)
        )
    agreement = report["judges_agree"]
    assert agreement["judges"] == ["one", "two"]
    assert agreement["grades"]["difference"]["mean"] == 2.0
    assert agreement["pairs"]["with_ties"]["mean"] == 1.0
