import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session

from serve.chat.store.database import open_database
from serve.chat.store.tables import Base, Conversation, Message, new_id
from templates import InputError


def test_the_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.scalar(text("pragma journal_mode")) == "wal"


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.sqlite'}"
    with Session(open_database(url)) as session, session.begin():
        session.add(Conversation(title="Llamas"))
    with Session(open_database(url)) as session:
        assert session.scalars(select(Conversation.title)).all() == ["Llamas"]


def test_a_message_goes_with_its_conversation(tmp_path: Path) -> None:
    with Session(open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")) as session, session.begin():
        conversation = Conversation(id=new_id())
        session.add(conversation)
        session.flush()
        session.add(Message(conversation=conversation.id, role="user", content="Hello"))
        session.flush()
        session.delete(conversation)
        session.flush()
        assert session.scalars(select(Message)).all() == []


WRITE_AND_DIE = """
import os, signal, sys
from sqlalchemy.orm import Session
from serve.chat.store.database import open_database
from serve.chat.store.tables import Conversation

with Session(open_database(sys.argv[1])) as session:
    session.add(Conversation(title="kept"))
    session.commit()
    session.add(Conversation(title="lost"))
    session.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_only_what_was_not_committed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.sqlite'}"
    ended = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, url], check=False)
    assert ended.returncode == -signal.SIGKILL
    with Session(open_database(url)) as session:
        assert session.scalars(select(Conversation.title)).all() == ["kept"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("chat.sqlite", "give a URL such as"),
        ("nosuch://x", "give a URL such as"),
        ("sqlite:////proc/nothing/chat.sqlite", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named(url: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_database(url)


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.sqlite'}"
    open_database(url)
    with create_engine(url).begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(InputError, match="another version of Chaku"):
        open_database(url)
