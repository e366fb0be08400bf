"""Outputs that are whole or not there: written under a temporary sibling name, renamed when complete.

A process that is killed leaves the old output or none. What it left under a temporary name is removed by the next
run on the same machine that writes to the same place.
"""

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from templates.errors import InputError

# A limit on the size of files is met as a full disk is.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; rename it to `path` when the block ends without an exception.

    Raises InputError where `path` is a directory, its place cannot be written, or the disk fills up.

    >>> with whole_file(Path("report.html")) as temporary:
    ...     temporary.write_text("<h1>done</h1>")
    """
    if path.is_dir():
        raise InputError(f"{path}: is a directory; give the name of a file to write")
    with _temporary(path) as temporary:
        yield temporary
        temporary.replace(path)


@contextmanager
def whole_directory(path: Path, *, marker: str) -> Iterator[Path]:
    """Yield a temporary directory to fill; rename it to `path` when the block ends without an exception.

    An existing `path` is replaced only where it is empty or holds a file named `marker`, by which an earlier output
    of ours is known. Raises InputError otherwise, and where the place cannot be written or the disk fills up.

    >>> with whole_directory(Path("data"), marker="manifest.json") as temporary:
    ...     (temporary / "manifest.json").write_text("{}")
    """
    refuse_foreign(path, marker=marker)
    with _temporary(path) as temporary:
        temporary.mkdir()
        yield temporary
        old = _sibling(path, "replaced")
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def refuse_foreign(path: Path, *, marker: str) -> None:
    """Raise InputError where `path` holds something that is not an earlier output of ours (see `whole_directory`)."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; give the name of a directory to write")
    if path.is_dir() and not (path / marker).is_file() and any(path.iterdir()):
        raise InputError(f"{path}: holds files that are not ours (no {marker}); choose a new or an empty directory")


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A sibling name of `path` that is gone after the block; a full disk becomes an InputError."""
    temporary = _sibling(path, "partial")
    _make_folder(path)
    try:
        yield temporary
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise InputError(f"{path}: the disk is full; free some space or choose another place") from error
        raise
    finally:
        _remove(temporary)


def _make_folder(path: Path) -> None:
    """Make the folder that `path` stands in, and see that it can be written."""
    folder = path.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path}: no permission to write in {folder}; choose another place")


def _sibling(path: Path, suffix: str) -> Path:
    whole = path.absolute()
    return whole.with_name(f".{whole.name}.{socket.gethostname()}-{os.getpid()}.{suffix}")


def _remove_leftovers(path: Path) -> None:
    """Remove what runs on this machine that no longer live left behind."""
    whole = path.absolute()
    start = f".{whole.name}.{socket.gethostname()}-"
    for left in whole.parent.iterdir():
        if left.name.startswith(start) and left.suffix in (".partial", ".replaced"):
            process = left.stem.removeprefix(start)
            if process.isdigit() and not _is_alive(int(process)):
                _remove(left)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
