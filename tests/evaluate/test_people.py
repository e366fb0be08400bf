import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.people import read_votes_file
from evaluate.run import JudgeAt, Options, evaluate
from templates import InputError
from tests.evaluate.scripted_judge import MODEL, Scripted, asked, running


def write(path: Path, *winners: str) -> Path:
    rows = [
        {"prompt": f"Question {number}", "answer_a": "good", "answer_b": "bad", "winner": winner}
        for number, winner in enumerate(winners)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_a_judge_beside_people(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> str:
        text = asked(body)
        if "good" not in text:
            return "[[5]]"
        return "[[A]]" if text.index("\ngood\n") < text.index("\nbad\n") else "[[B]]"

    votes = write(tmp_path / "votes.jsonl", "a", "a", "b", "tie", "both_bad")
    with running(Scripted(reply)) as server:
        judges = (JudgeAt(server.base_url, MODEL),)
        options = Options(model=server.base_url, judges=judges, votes=votes, limit=1, out=tmp_path / "out")
        people = evaluate(options)["people"]
    assert (people["votes"], people["unreadable"]) == (5, 0)
    assert people["with_ties"]["mean"] == pytest.approx(2 / 5)
    assert people["without_ties"]["mean"] == pytest.approx(2 / 3)
    assert people["chance"] == pytest.approx(2 / 5)


def test_bad_votes_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: not a vote"):
        read_votes_file(write(tmp_path / "v.jsonl", "a", "c"))
    with pytest.raises(InputError, match="holds no vote"):
        read_votes_file(write(tmp_path / "v.jsonl"))
    with pytest.raises(InputError, match="give JSON Lines"):
        read_votes_file(tmp_path / "none.jsonl")
