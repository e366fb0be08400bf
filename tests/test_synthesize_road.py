"""Data made with a real model behind real vLLM: killed, resumed, replayed, and taken by `chaku data prepare`."""

import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.road import CHAKU, Served, chaku

pytestmark = pytest.mark.e2e


def test_a_run_on_vllm_is_killed_resumed_and_prepared(served: Served, tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.json"
    questions = ["Name a bird that cannot fly.", "What is the capital of France?", "Say good morning in Spanish."]
    seeds.write_text(json.dumps([{"instruction": text, "output": "x"} for text in questions]), encoding="utf-8")
    out = tmp_path / "made"
    argv = [CHAKU, "data", "synthesize", "multi-turn", "--base-url", served.api, "--target", "2", "--turns", "2"]
    argv += ["--seeds", str(seeds), "--max-tokens", "48", "--concurrency", "4", "--budget", "60 requests"]
    argv += ["--out", str(out)]
    process = subprocess.Popen(argv)
    deadline = time.monotonic() + 60
    while replies(out) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = replies(out)
    subprocess.run(argv, check=True)
    assert replies(out) >= max(before, 3)
    [(attempts, answered, failures)] = query(
        out, "select (select count(*) from attempts), count(*), (select count(*) from failures) from replies"
    )
    assert failures == 0
    assert 0 <= attempts - answered <= 4  # what the kill cut off
    records = (out / "messages.jsonl").read_text(encoding="utf-8")
    rejected = (out / "rejected.jsonl").read_text(encoding="utf-8")
    assert records or rejected
    assert (out / "report.html").stat().st_size > 10_000
    subprocess.run(argv, check=True)
    assert (out / "messages.jsonl").read_text(encoding="utf-8") == records
    if records:
        options = ("--model", str(served.model), "--template", "vicuna_v1.1", "--held-out", "0")
        chaku("data", "prepare", str(out / "messages.jsonl"), *options, "--out", str(tmp_path / "data"))


def replies(out: Path) -> int:
    try:
        return int(query(out, "select count(*) from replies")[0][0])
    except sqlite3.OperationalError:  # not made yet, or held by the run, which locks it for itself
        return 0


def query(out: Path, statement: str) -> list[tuple[int, ...]]:
    return sqlite3.connect(out / "store.sqlite").execute(statement).fetchall()
