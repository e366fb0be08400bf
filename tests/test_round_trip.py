"""The round trip: chat -> correction -> mark -> export -> windows -> training -> server -> chat."""

import json
from pathlib import Path

import pytest

from tests.road import Served, chaku
from tests.round_trip import CORRECTION, QUESTION, Taught, chat

pytestmark = pytest.mark.e2e


def test_the_correction_of_a_chat_is_what_the_next_model_says(taught: Taught) -> None:
    assert taught.original != CORRECTION
    (row,) = map(json.loads, taught.export.read_text(encoding="utf-8").splitlines())
    turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": CORRECTION}]
    assert row["conversations"] == turns
    counts = json.loads((taught.served.data / "manifest.json").read_text(encoding="utf-8"))["counts"]
    assert (counts["turns_in"], counts["turns_trained"], counts["turns_context"]) == (2, 1, 1)
    assert chat(taught.served.page, QUESTION)[2] == CORRECTION


def test_the_same_correction_is_a_preference_over_what_the_first_model_said(
    taught: Taught, served: Served, tmp_path: Path
) -> None:
    out = tmp_path / "pairs.jsonl"
    chaku("chat", "export", "--db", served.db, "--marked", "--to", "preferences", "--out", str(out))
    pairs = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    (pair,) = (pair for pair in pairs if pair["judged_by"] == "correction")
    assert pair["prompt"] == [{"role": "user", "content": QUESTION}]
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == (CORRECTION, taught.original)
