"""One run at a time writes an OUT: a lock on OUT.run/lock, which the system frees as soon as its holder has ended."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

import torch.distributed as dist

from templates.errors import InputError
from train.export import one_line_for_a_full_disk
from train.metrics import say
from train.parallel import Ranks

FILE_NAME = "lock"
# What a file system says that has no locks: some mounts of buckets, Lustre without `-o flock`, NFS without its service.
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextmanager
def only_run(directory: Path, ranks: Ranks) -> Iterator[None]:
    """Keep other runs away from `directory` (OUT.run) while the block lasts; the first rank holds the lock for all.

    The file names its holder: ``process 4711 on node-3 since 2026-11-24 01:40 UTC``. It stays when the run is over, and
    locks nothing then. Raises InputError, on all ranks, where another run holds it.
    """
    with ExitStack() as stack:
        refusal: list[str | None] = [None]
        if ranks.is_first:
            try:
                stack.enter_context(_locked(directory / FILE_NAME))
            except InputError as error:
                refusal = [str(error)]
        dist.broadcast_object_list(refusal, src=0, device=ranks.device)
        if refusal[0]:
            raise InputError(refusal[0])
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # writable, or NFS would give no exclusive lock; unbuffered, so that a full disk is met here alone
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
    with file:
        _lock(file, path)
        file.truncate(0)
        holder = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
        with one_line_for_a_full_disk(path):
            file.write(holder.encode())
        yield


def _lock(file: FileIO, path: Path) -> None:
    """Take the lock, or raise InputError with its holder; where there are no locks, say so and go on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().decode(errors="replace").strip() or "another process"
        raise InputError(
            f"{path.parent}: another run is writing there ({holder}); wait for its end, stop it, or give another --out"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        say(f"{path.parent}: its file system has no locks ({error.strerror}); see that no second run writes there")
