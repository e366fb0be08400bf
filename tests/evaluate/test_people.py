import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.people import read_votes, read_votes_file
from evaluate.run import JudgeAt, Options, evaluate
from serve.chat.store.database import open_database
from serve.chat.votes import Vote, Winner, add_vote
from templates import InputError
from tests.evaluate.scripted_judge import MODEL, Scripted, asked, running


def write(path: Path, *winners: str) -> Path:
    rows = [
        {"prompt": f"Question {number}", "answer_a": "good", "answer_b": "bad", "winner": winner}
        for number, winner in enumerate(winners)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("kept", ["file", "database"])
def test_a_judge_beside_people(kept: str, tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> str:
        text = asked(body)
        if "good" not in text:
            return "[[5]]"
        return "[[A]]" if text.index("\ngood\n") < text.index("\nbad\n") else "[[B]]"

    winners: tuple[Winner, ...] = ("a", "a", "b", "tie", "both_bad")
    votes = keep(tmp_path, *winners) if kept == "database" else str(write(tmp_path / "votes.jsonl", *winners))
    with running(Scripted(reply)) as server:
        judges = (JudgeAt(server.base_url, MODEL),)
        options = Options(model=server.base_url, judges=judges, votes=votes, limit=1, out=tmp_path / "out")
        people = evaluate(options)["people"]
    assert (people["votes"], people["unreadable"]) == (5, 0)
    assert people["with_ties"]["mean"] == pytest.approx(2 / 5)
    assert people["without_ties"]["mean"] == pytest.approx(2 / 3)
    assert people["chance"] == pytest.approx(2 / 5)


def keep(folder: Path, *winners: Winner) -> str:
    """The same votes in a chat database; gives its URL."""
    url = f"sqlite:///{folder / 'chat.sqlite'}"
    engine = open_database(url)
    for number, winner in enumerate(winners):
        messages = [{"role": "user", "content": f"Question {number}"}]
        vote = Vote(messages=messages, model_a="x", model_b="y", answer_a="good", answer_b="bad", winner=winner)
        add_vote(engine, vote, owner="")
    return url


def test_a_database_without_votes_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody has voted yet"):
        read_votes(keep(tmp_path))


def test_bad_votes_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: not a vote"):
        read_votes_file(write(tmp_path / "v.jsonl", "a", "c"))
    with pytest.raises(InputError, match="holds no vote"):
        read_votes_file(write(tmp_path / "v.jsonl"))
    with pytest.raises(InputError, match="give JSON Lines"):
        read_votes_file(tmp_path / "none.jsonl")
