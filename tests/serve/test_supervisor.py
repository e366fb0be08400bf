import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serve.processes import refuse_busy_port
from templates import InputError

PROGRAM = """
import sys
from pathlib import Path
from typing import Any
from serve.supervisor import supervise
from serve.watched import Service
port, how, logs = sys.argv[1], sys.argv[2], Path(sys.argv[3])
server = [sys.executable, "-c", {server!r}, port, how]
url = f"http://127.0.0.1:{{port}}/"
services = [Service("engine", server, {{}}, url)]
sys.exit(supervise(services, ready_text="READY", run=logs))
"""
# A server with a child of its own, as vLLM has; it can die by itself or be deaf to SIGTERM.
SERVER = """
import http.server, signal, subprocess, sys, threading, os
port, how = int(sys.argv[1]), sys.argv[2]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if how == "deaf": signal.signal(signal.SIGTERM, signal.SIG_IGN)
if how == "fails": raise OSError(98, "Address already in use")
if how == "dies" and not os.path.exists("died"):
    open("died", "w").close()
    threading.Timer(1.0, os._exit, (3,)).start()
http.server.ThreadingHTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


_started: list["subprocess.Popen[str]"] = []


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """Whatever a failed test has left is ended."""
    yield
    for process in _started:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)
    _started.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(how: str, logs: Path, *, port: int | None = None) -> "subprocess.Popen[str]":
    program = PROGRAM.format(server=SERVER)
    argv = [sys.executable, "-c", program, str(port or free_port()), how, str(logs)]
    _started.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=logs))
    return _started[-1]


def wait_ready(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    assert process.stdout is not None
    assert process.stdout.readline() == "READY\n"
    return psutil.Process(process.pid).children(recursive=True)


def wait_for_state(run: Path, wanted: str, *, restarts: int) -> dict[str, Any]:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if (run / "state.json").exists():
            state: dict[str, Any] = json.loads((run / "state.json").read_text())["services"][0]
            if (state["state"], state["restarts"]) == (wanted, restarts):
                return state
        time.sleep(0.05)
    raise AssertionError(f"never {wanted} after {restarts} restarts")


def assert_all_gone(processes: list[psutil.Process]) -> None:
    assert len(processes) == 2
    gone, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    assert len(gone) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_and_exits_with_0(number: signal.Signals, tmp_path: Path) -> None:
    process = start("serves", tmp_path)
    family = wait_ready(process)
    process.send_signal(number)
    assert process.wait(timeout=10) == 0
    assert_all_gone(family)


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    process = start("deaf", tmp_path)
    family = wait_ready(process)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=5) == 0
    assert_all_gone(family)


def test_a_child_that_dies_is_started_again_with_its_exit_code_named(tmp_path: Path) -> None:
    process = start("dies", tmp_path)
    family = wait_ready(process)
    state = wait_for_state(tmp_path, "ready", restarts=1)
    assert state["cause"] == "it ended with exit code 3"
    assert_all_gone(family)
    again = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "the engine died: it ended with exit code 3" in errors
    assert "started again in 1 s" in errors
    assert str(tmp_path / "engine.log") in errors
    assert_all_gone(again)


def test_a_child_that_is_killed_under_load_comes_back_and_every_client_is_served(tmp_path: Path) -> None:
    port = free_port()
    process = start("serves", tmp_path, port=port)
    engine, _ = wait_ready(process)
    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(ask_until_served, port, 40) for _ in range(8)]
        time.sleep(0.3)
        engine.kill()
        assert [client.result(timeout=120) for client in clients] == [40] * 8
    state = wait_for_state(tmp_path, "ready", restarts=1)
    assert state["cause"].startswith("killed by signal 9, as the system does when memory runs out")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


def ask_until_served(port: int, times: int) -> int:
    """How often a client was served that asks again whenever it was not."""
    served = 0
    while served < times:
        try:
            served += httpx.get(f"http://127.0.0.1:{port}/", timeout=5).is_success
            time.sleep(0.02)
        except httpx.TransportError:
            time.sleep(0.1)
    return served


def test_a_child_that_cannot_start_gives_its_cause(tmp_path: Path) -> None:
    process = start("fails", tmp_path)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "its port is in use by another program" in errors


def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    process = start("serves", tmp_path)
    engine, grandchild = wait_ready(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    engine.wait(timeout=5)
    grandchild.kill()  # a real engine ends its own; this one does not


def test_a_busy_port_is_refused_by_its_flag() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: in use"):
            refuse_busy_port("--port", "127.0.0.1", port)


def test_a_port_or_host_that_is_none_is_named() -> None:
    for port in (0, -1, 70_000):
        with pytest.raises(InputError, match=f"--port {port}: ports are numbers"):
            refuse_busy_port("--port", "127.0.0.1", port)
    with pytest.raises(InputError, match=r"--host 192\.0\.2\.1: not an address of this machine"):
        refuse_busy_port("--port", "192.0.2.1", free_port())
    with pytest.raises(InputError, match=r"--host no host: no address"):
        refuse_busy_port("--port", "no host", free_port())
