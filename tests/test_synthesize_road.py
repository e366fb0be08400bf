"""Data made with a real model behind real vLLM: killed, resumed, replayed, and taken by `chaku data prepare`."""

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
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
    argv += ["--seeds", str(seeds), "--max-tokens", "48", "--concurrency", "4", "--budget", "20 requests"]
    argv += ["--out", str(out)]
    process = subprocess.Popen(argv)
    sizes: set[int] = set()  # of the store's log: the store itself is locked by its process
    deadline = time.monotonic() + 60
    while len(sizes) < 4 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
        sizes |= {path.stat().st_size for path in out.glob("store.sqlite-wal")}
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = replies(out)
    assert before >= 1
    subprocess.run(argv, check=True)
    assert replies(out) >= before
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
    return query(out, "select count(*) from replies")[0][0]


def query(out: Path, statement: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(out / "store.sqlite")) as database:  # an open one would keep the next run out
        return database.execute(statement).fetchall()
