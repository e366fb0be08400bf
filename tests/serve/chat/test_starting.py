"""What is said while a model starts, from what `chaku serve` writes down."""

import time
from pathlib import Path
from typing import Any

import pytest

from serve.chat.language import texts_of
from serve.chat.starting import why_silent
from serve.run_state import new_run_directory, usual_seconds, write_state

API = "http://127.0.0.1:8000/v1"


def told(since: float, usual: float | None, state: str = "starting") -> dict[str, Any]:
    return {"name": "engine", "url": "http://127.0.0.1:8000", "state": state, "since": since, "usual_seconds": usual}


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (told(970, 50.4), "The model is starting, about 20 s left."),
        (told(970, 50.0) | {"name": "engine of vic"}, "vic is starting, about 20 s left."),
        (told(970, None), "The model is starting, for 30 s now. Its first start here takes a minute or more."),
        (told(910, 50.0), "The model is starting, for 90 s now; last time it took 50 s."),
        (told(970, 50.0, "ready"), f"No server answers at {API}."),
        (told(970, 50.0) | {"url": "http://127.0.0.1:8001"}, f"No server answers at {API}."),
    ],
)
def test_the_time_left(service: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAKU_RUN", str(tmp_path))
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    write_state(tmp_path, [service])
    assert why_silent(API, texts_of("en")).startswith(said)


def test_a_page_of_its_own_knows_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAKU_RUN", raising=False)
    assert why_silent(API, texts_of("en")).startswith("No server answers at")
    monkeypatch.setenv("CHAKU_RUN", str(tmp_path / "gone"))
    assert why_silent(API, texts_of("en")).startswith("No server answers at")


def test_the_last_start_of_the_same_model_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    run = new_run_directory("vicuna-7b")
    assert usual_seconds(run, "engine") is None
    starts = (("vicuna-7b", 40.0), ("vicuna", 9.0), ("vicuna-7b", 60.0), ("vicuna-7b", None))
    for at, (name, usual) in enumerate(starts):
        earlier = run.with_name(f"{name}-20260101-00000{at}-1")
        earlier.mkdir(parents=True)
        write_state(earlier, [told(0, usual, "ready")])
    assert usual_seconds(run, "engine") == 60.0
    assert usual_seconds(run, "engine of llama") is None
