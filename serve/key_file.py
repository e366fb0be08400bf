"""The file of keys: a name, a salted hash and limits for each. The keys themselves are shown once, and kept nowhere."""

import datetime
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from serve.private_file import write_private
from templates import InputError

_PREFIX = "chaku"
_ABSENT = "0" * 64


@dataclass(frozen=True)
class Key:
    """One key, as it is kept. `limits` are those that it has of its own."""

    id: str
    name: str
    salt: str
    digest: str
    created: str
    limits: dict[str, int] = field(default_factory=dict)


def digest(key: str, *, salt: str) -> str:
    """The hash of a key. Keys are 256 random bits, so that one round of sha256 is enough."""
    return hashlib.sha256(f"{salt}{key}".encode("utf-8", "surrogateescape")).hexdigest()


def default_path() -> Path:
    """Where keys are kept if no other file is named."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "chaku" / "keys.json"


class KeyFile:
    """The keys of a server: `find` reads the file again whenever it has changed, so that a revoked key ends at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def find(self, text: str) -> Key | None:
        """The key that this text is, or None. It takes the same time for a wrong key as for a right one."""
        self._refresh()
        key = self._keys.get(_id_in(text))
        expected = key.digest if key else _ABSENT
        is_same = hmac.compare_digest(digest(text, salt=key.salt if key else ""), expected)
        return key if is_same else None

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._keys = {key.id: key for key in read_keys(self._path)}
                self._seen = seen
        except (OSError, InputError):
            self._keys, self._seen = {}, None  # without its file a server knows nobody


def read_keys(path: Path) -> list[Key]:
    """All keys of a file; none where there is no file. Raises InputError that names it where it is not one of keys."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["keys"]
        return [Key(**entry) for entry in listed]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give another file by --keys") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of keys ({error!r}); `chaku keys add` writes one") from error


def add_key(path: Path, name: str, *, limits: dict[str, int]) -> str:
    """Add a key and return it: the only time that it is shown. Raises InputError where the name is taken."""
    keys = read_keys(path)
    if any(key.name == name for key in keys):
        raise InputError(f"{name}: {path} has a key of this name; revoke it first, or give another name")
    number, salt = secrets.token_hex(4), secrets.token_hex(16)
    text = f"{_PREFIX}-{number}-{secrets.token_urlsafe(32)}"
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _write(path, [*keys, Key(number, name, salt, digest(text, salt=salt), created, limits)])
    return text


def revoke_key(path: Path, name: str) -> None:
    """Remove a key. Raises InputError that names those that there are, where it is not one of them."""
    keys = read_keys(path)
    if all(key.name != name for key in keys):
        names = ", ".join(key.name for key in keys) or "none"
        raise InputError(f"{name}: {path} has no key of this name; it has: {names}")
    _write(path, [key for key in keys if key.name != name])


def _id_in(text: str) -> str:
    parts = text.split("-", 2)
    return parts[1] if len(parts) == 3 and parts[0] == _PREFIX else ""


def _write(path: Path, keys: list[Key]) -> None:
    try:
        write_private(path, {"keys": [asdict(key) for key in keys]})
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another file by --keys") from error
