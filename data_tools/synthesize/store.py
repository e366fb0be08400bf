"""Every request and reply of a run in one SQLite file to which rows are only ever added.

A request is known by a key, the SHA-256 of what is sent, for which task and what for, so that a request which has its
reply is never sent again: a run that was killed goes on where it was, and a finished one can be replayed without a
server. Rows are on disk, as far
as a killed process is concerned, when a method returns (write-ahead log; a power cut may lose the last ones).
The sums hold at any time: attempts = replies + failures + those that a kill cut off, and no request has two replies.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from templates import InputError

FILE_NAME = "store.sqlite"
_TABLES = """
create table if not exists settings (name text primary key, value text not null) without rowid;
create table if not exists requests (
    key text primary key, purpose text not null, task text not null, body text not null, made real not null
) without rowid;
create table if not exists attempts (
    id integer primary key, key text not null references requests, begun real not null
);
create table if not exists replies (
    key text primary key references requests, attempt integer not null references attempts, text text not null,
    finish_reason text not null, prompt_tokens integer not null, completion_tokens integer not null,
    model text not null, ended real not null
) without rowid;
create table if not exists failures (
    attempt integer primary key references attempts, reason text not null, ended real not null
) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request brought. `finish_reason` is the server's, or `refused` where it would not take the request."""

    key: str
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    model: str
    ended: float

    @property
    def cut_off(self) -> bool:
        """Whether the reply ran into its limit of tokens."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Sums:
    """What a store holds. `lost` attempts have neither a reply nor a failure: a kill cut them off."""

    requests: int
    attempts: int
    replies: int
    failures: int
    lost: int
    prompt_tokens: int
    completion_tokens: int


def key_of(body: Mapping[str, Any], *, purpose: str, task: str) -> str:
    """The key of a request.

    >>> key_of({"model": "m", "n": 1}, purpose="p", task="t") == key_of({"n": 1, "model": "m"}, purpose="p", task="t")
    True
    """
    text = json.dumps([purpose, task, body], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class Store:
    """The file. Raises InputError where it is not one of ours or another process has it open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=1)
        try:
            # One process at a time: two would pay for the same requests.
            self._database.execute("pragma locking_mode = exclusive")
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.executescript(_TABLES)
        except sqlite3.OperationalError as error:
            raise InputError(
                f"{path}: {error}; another run has it open: wait for that, or give another --out"
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path}: {error}; give a new directory by --out") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def settle(self, name: str, value: object) -> Any:  # noqa: ANN401 any JSON value
        """The value that the first run settled on; on the first run that is `value`."""
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
        self._database.execute("insert or ignore into settings values (?, ?)", (name, text))
        [held] = self._database.execute("select value from settings where name = ?", (name,)).fetchone()
        return json.loads(held)

    def settled(self, name: str) -> Any:  # noqa: ANN401 any JSON value
        """What an earlier run settled on, or None."""
        held = self._database.execute("select value from settings where name = ?", (name,)).fetchone()
        return json.loads(held[0]) if held else None

    def reply(self, key: str) -> Reply | None:
        """The reply to a request, if it came."""
        columns = "key, text, finish_reason, prompt_tokens, completion_tokens, model, ended"
        row = self._database.execute(f"select {columns} from replies where key = ?", (key,)).fetchone()  # noqa: S608
        return Reply(*row) if row else None

    def begin(self, key: str, *, purpose: str, task: str, body: Mapping[str, Any]) -> int:
        """Note that a request is about to be sent; gives the number of the attempt."""
        now, text = time.time(), json.dumps(body, ensure_ascii=False)
        with self._database:
            self._database.execute("begin")
            self._database.execute(
                "insert or ignore into requests values (?, ?, ?, ?, ?)", (key, purpose, task, text, now)
            )
            cursor = self._database.execute("insert into attempts (key, begun) values (?, ?)", (key, now))
        return cursor.lastrowid or 0

    def answered(self, attempt: int, reply: Reply) -> None:
        """Note a reply."""
        values = (reply.key, attempt, reply.text, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens)
        row = (*values, reply.model, reply.ended)
        self._database.execute("insert into replies values (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def failed(self, attempt: int, reason: str) -> None:
        """Note that an attempt brought no reply."""
        self._database.execute("insert into failures values (?, ?, ?)", (attempt, reason, time.time()))

    def sums(self) -> Sums:
        """Count what is held."""
        query = """select (select count(*) from requests), (select count(*) from attempts), count(*),
            (select count(*) from failures), 0, coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0)
            from replies"""
        requests, attempts, replies, failures, _, prompt, completion = self._database.execute(query).fetchone()
        return Sums(requests, attempts, replies, failures, attempts - replies - failures, prompt, completion)
