from dataclasses import replace
from pathlib import Path

import pytest

from serve.chat.store.database import open_database
from serve.chat.votes import Vote, add_vote, count_blind_votes, read_votes

VOTE = Vote(
    messages=[{"role": "user", "content": "Name a camelid."}],
    model_a="before",
    model_b="after",
    answer_a="Horse.",
    answer_b="Vicuña.",
    winner="b",
    sampling={"temperature": 0.7},
)


def test_votes_come_back_as_they_were_given(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.sqlite'}"
    engine = open_database(url)
    add_vote(engine, VOTE, owner="ana")
    add_vote(engine, replace(VOTE, winner="both_bad", is_blind=False), owner="")
    first, second = read_votes(url)
    assert replace(first, created=0.0) == VOTE
    assert (second.winner, second.is_blind) == ("both_bad", False)
    assert 0 < first.created <= second.created


def test_blind_votes_are_counted_by_who_met_whom(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    assert count_blind_votes(engine) == {}
    turned = replace(VOTE, model_a="after", model_b="before", winner="a")
    for vote in (VOTE, VOTE, turned, replace(VOTE, winner="tie"), replace(VOTE, is_blind=False)):
        add_vote(engine, vote, owner="ana")
    told = {("before", "after", "b"): 2, ("after", "before", "a"): 1, ("before", "after", "tie"): 1}
    assert count_blind_votes(engine) == told


def test_a_longer_conversation_is_told_with_its_roles() -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, *VOTE.messages]
    assert replace(VOTE, messages=turns).prompt == "user: Hi\n\nassistant: Yes?\n\nuser: Name a camelid."


def test_a_winner_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not one of a, b, tie, both_bad"):
        add_vote(open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}"), replace(VOTE, winner="c"), owner="")  # type: ignore[arg-type]
