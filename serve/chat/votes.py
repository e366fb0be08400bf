"""Votes of people between two models' answers: kept in the chat database, read by the leaderboard and by evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast, get_args

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from serve.chat.store import tables
from serve.chat.store.database import open_database

Winner = Literal["a", "b", "tie", "both_bad"]
Message = dict[str, str]
# How many votes: by the model of side a, that of side b, and the winner.
Tally = Mapping[tuple[str, str, Winner], int]


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One person's choice. `messages` is the conversation that both models answered, as in a request.

    `is_blind` says that the models' names were shown only after the vote.
    """

    messages: list[Message]
    model_a: str
    model_b: str
    answer_a: str
    answer_b: str
    winner: Winner
    is_blind: bool = True
    sampling: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0

    @property
    def prompt(self) -> str:
        """What was answered, as one text: the question, or all turns of a longer conversation with their roles.

        >>> Vote(messages=[{"role": "user", "content": "Hi"}], model_a="x", model_b="y", answer_a="1", answer_b="2",
        ...      winner="tie").prompt
        'Hi'
        """
        if len(self.messages) == 1:
            return self.messages[0]["content"]
        return "\n\n".join(f"{message['role']}: {message['content']}" for message in self.messages)


_KEPT = tuple(each.name for each in fields(Vote) if each.name != "created")  # the time is the database's


def add_vote(engine: Engine, vote: Vote, *, owner: str) -> str:
    """Keep a vote of a person; returns its id. Raises ValueError where the winner is none of the four."""
    if vote.winner not in get_args(Winner):
        raise ValueError(f"winner {vote.winner!r} is not one of {', '.join(get_args(Winner))}")
    row = tables.Vote(owner=owner, **{name: getattr(vote, name) for name in _KEPT})
    with Session(engine) as session, session.begin():
        session.add(row)
        session.flush()
        return row.id


def list_votes(engine: Engine) -> list[Vote]:
    """All votes of all people, the oldest first."""
    with Session(engine) as session:
        return [_vote(row) for row in session.scalars(select(tables.Vote).order_by(tables.Vote.created))]


def count_blind_votes(engine: Engine) -> Tally:
    """How often each side was preferred in each pairing, as far as the names were hidden: what a leaderboard needs."""
    pairing = (tables.Vote.model_a, tables.Vote.model_b, tables.Vote.winner)
    query = select(*pairing, func.count()).where(tables.Vote.is_blind).group_by(*pairing).order_by(*pairing)
    with Session(engine) as session:
        return {(a, b, cast("Winner", winner)): count for a, b, winner, count in session.execute(query)}


def read_votes(url: str) -> list[Vote]:
    """All votes of a chat database. Raises InputError where it cannot be opened."""
    engine = open_database(url)
    try:
        return list_votes(engine)
    finally:
        engine.dispose()


def _vote(row: tables.Vote) -> Vote:
    return Vote(**{name: getattr(row, name) for name in (*_KEPT, "created")})
