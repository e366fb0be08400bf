"""Child processes that never outlive their parent: each leads a group of its own, which ends as one."""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

from templates import InputError

_PR_SET_PDEATHSIG = 1


class Child:
    """A started process with its log. Its own children belong to its group, and end with it."""

    def __init__(self, name: str, argv: Sequence[str], *, environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Not a session of its own: Linux shares the cores out among sessions first (`sched_autogroup`), and
                # where an engine keeps all of them busy, its clients in other sessions may then wait for seconds.
                process_group=0,
                # Nothing but one system call runs between fork and exec, and before any thread is started here.
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def is_dead(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself, which ends its own children in order."""
        if not self.is_dead():
            self.process.terminate()

    def kill(self) -> None:
        """End the whole group at once, whatever is left of it, and those of its descendants that left the group."""
        family = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def refuse_busy_port(flag: str, host: str, port: int) -> None:
    """Raise InputError, naming the flag, where nothing can listen on a port: mostly, since something does already."""
    if not 0 < port < 65536:
        raise InputError(f"{flag} {port}: ports are numbers from 1 to 65535; give another")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InputError(f"--host {host}: no address ({error.strerror}); give one of this machine's") from error
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise InputError(_cannot_listen(flag, host, port, error)) from error


def _cannot_listen(flag: str, host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{flag} {port}: in use ({error.strerror}); give another, or stop what uses it"
        case errno.EADDRNOTAVAIL:
            return f"--host {host}: not an address of this machine; 0.0.0.0 is all of them"
        case _:
            return f"{flag} {port}: cannot be used on {host} ({error.strerror}); give another"
