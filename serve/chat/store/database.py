"""Opens the chat database, and brings its tables up to date."""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from templates import InputError

MIGRATIONS = Path(__file__).parent / "migrations"
_PRAGMAS = ("journal_mode=wal", "synchronous=normal", "foreign_keys=on", "busy_timeout=10000")


def default_url() -> str:
    """Where conversations are kept if no other database is named."""
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return f"sqlite:///{home / 'chaku' / 'chat.sqlite'}"


def open_database(url: str) -> Engine:
    """A database with all tables of this version.

    SQLite writes ahead to a log (WAL): a killed process loses nothing that was committed, and readers never wait.

    Raises:
        InputError: the URL is not understood, its driver is not installed, the database cannot be opened, or it was
            made by a newer version.
    """
    try:
        engine = create_engine(url, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        migrate(engine)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise InputError(
            f"--db {_shown(url)}: {error}; give a URL such as sqlite:///chat.sqlite or postgresql+psycopg://..."
        ) from error
    except (OperationalError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise InputError(f"--db {_shown(url)}: cannot be opened: {str(cause).strip()}") from error
    return engine


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest version; a database of a newer version is refused as it is."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise InputError(
                f"--db {_shown(str(engine.url))}: was made by another version of Chaku ({error}); update Chaku"
            ) from error


def _prepare_sqlite(engine: Engine) -> None:
    path = engine.url.database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # noqa: ANN401 the driver's own connection
        for pragma in _PRAGMAS:
            connection.execute(f"pragma {pragma}")


def _shown(url: str) -> str:
    """The URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
