"""`chaku evaluate` on real vLLM: a directory that it serves itself, judged by the model of another server."""

import json
from pathlib import Path

import pytest

from tests.road import Served, chaku

pytestmark = pytest.mark.e2e


def test_a_directory_is_served_asked_measured_and_judged(served: Served, tmp_path: Path) -> None:
    held_out = served.data / "conversations" / "held_out.jsonl"
    judge = ("--judge-url", served.api, "--judge-model", "vicuna", "--judge-max-tokens", "48")
    limits = ("--n", "2", "--max-tokens", "12", "--held-out", str(held_out), "--out", str(tmp_path / "out"))
    chaku("evaluate", str(served.model), *judge, *limits)
    report = json.loads((served.model / "evaluation.json").read_text(encoding="utf-8"))
    checks = report["checks"]
    assert report["models"] == [{"name": "vicuna", "source": str(served.model)}]
    assert checks["answers"][0]["answers"] == 4
    assert checks["parity"][0]["agreed"] == checks["parity"][0]["conversations"] > 0
    assert 0 < checks["held_out"][0]["loss"]["mean"] < 10
    assert report["judged"][0]["structured"]
    assert report["judged"][0]["trust"]["readability"]["verdicts"] == 4
    assert (served.model / "evaluation.html").read_bytes() == (tmp_path / "out" / "report.html").read_bytes()
