"""The file of users: names with salted scrypt hashes of their passwords, and the secret that signs their sessions."""

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from serve.private_file import write_private
from templates import InputError

SHORTEST_PASSWORD = 10
SESSION_SECONDS = 14 * 24 * 3600
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26}  # 32 MiB and about 0.1 s a guess


@dataclass(frozen=True)
class User:
    """One person, as the file keeps them."""

    name: str
    salt: str
    digest: str


@dataclass(frozen=True)
class _Content:
    secret: str
    users: dict[str, User]


class UserFile:
    """The users of a running page; the file is read again whenever it changed, so that a removed user is out at once.

    Raises InputError where the file is none of users, or names nobody.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._content = _read(path)
        if not self._content.users:
            raise InputError(f"--users {path}: names nobody; `chaku chat users add NAME --users {path}` adds a person")

    def check(self, name: str, password: str) -> bool:
        """Whether this is the person's password. It takes as long for an unknown name."""
        user = self._users().users.get(name)
        digest = _digest(password, user.salt if user else "00" * 16)
        return hmac.compare_digest(digest, user.digest if user else "") and user is not None

    def open_session(self, name: str) -> str:
        """What a person's cookie holds: until when, and a signature that also ends with the password."""
        return self._signed(name, int(time.time()) + SESSION_SECONDS)

    def who(self, session: str) -> str:
        """The name behind a session's cookie, or nothing."""
        encoded, _, rest = session.partition(".")
        until, _, _ = rest.partition(".")
        try:
            name = bytes.fromhex(encoded).decode()
        except ValueError:
            return ""
        if not until.isascii() or not until.isdigit() or len(until) > 12 or int(until) < time.time():
            return ""
        is_same = name in self._users().users and hmac.compare_digest(self._signed(name, int(until)), session)
        return name if is_same else ""

    def _signed(self, name: str, until: int) -> str:
        content = self._users()
        head = f"{name.encode().hex()}.{until}"
        message = f"{head}.{content.users[name].digest}".encode()
        return f"{head}.{hmac.new(bytes.fromhex(content.secret), message, hashlib.sha256).hexdigest()}"

    def _users(self) -> _Content:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen != self._seen:
                self._content, self._seen = _read(self._path), seen
        except (OSError, InputError):
            self._content, self._seen = _Content(self._content.secret, {}), None  # without its file nobody is known
        return self._content


def add_user(path: Path, name: str, password: str) -> None:
    """Add a person, or give them another password. Raises InputError for a name or password that will not do."""
    if not name.isprintable() or not 0 < len(name) <= 64 or name != name.strip():
        raise InputError(f"{name!r}: give a name of 1 to 64 printable characters")
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(f"the password of {name}: give at least {SHORTEST_PASSWORD} characters")
    content = _read(path) if path.exists() else _Content(secrets.token_hex(32), {})
    salt = secrets.token_hex(16)
    _write(path, _Content(content.secret, {**content.users, name: User(name, salt, _digest(password, salt))}))


def remove_user(path: Path, name: str) -> None:
    """Remove a person. Raises InputError that names those that there are, where it is not one of them."""
    content = _read(path)
    if name not in content.users:
        raise InputError(f"{name}: {path} has no such user; it has: {', '.join(content.users) or 'none'}")
    _write(path, _Content(content.secret, {key: user for key, user in content.users.items() if key != name}))


def user_names(path: Path) -> list[str]:
    """The names in a file, in the order in which they were added."""
    return list(_read(path).users)


def _digest(password: str, salt: str) -> str:
    encoded = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(encoded, salt=bytes.fromhex(salt), **_SCRYPT).hex()


def _read(path: Path) -> _Content:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        users = [User(**entry) for entry in content["users"]]
        bytes.fromhex(content["secret"])
        return _Content(content["secret"], {user.name: user for user in users})
    except OSError as error:
        raise InputError(
            f"--users {path}: cannot be read ({error.strerror}); `chaku chat users add NAME --users {path}` makes one"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--users {path}: not a file of users ({error!r}); `chaku chat users add` writes one"
        ) from error


def _write(path: Path, content: _Content) -> None:
    try:
        write_private(path, {"secret": content.secret, "users": [asdict(user) for user in content.users.values()]})
    except OSError as error:
        raise InputError(f"--users {path}: cannot be written ({error.strerror}); give another file") from error
