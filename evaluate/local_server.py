"""A model directory, served by `chaku serve` for as long as it is asked."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from templates import InputError

_STARTUP_SECONDS = 600
_STOP_SECONDS = 60


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a model on a free port of the loopback while the block runs; gives the API's address.

    Raises InputError where the server ends before it answers; its own complaint stands on stderr.
    """
    port = _free_port()
    command = [sys.executable, "-m", "chaku", "serve", str(directory), "--port", str(port), "--no-ui"]
    print(f"starting `chaku serve {directory}` for this run", file=sys.stderr, flush=True)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, directory)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, server: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise InputError(f"{directory}: `chaku serve` ended with exit code {server.returncode}; see above")
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise InputError(f"{directory}: `chaku serve` did not answer within {_STARTUP_SECONDS} s")
