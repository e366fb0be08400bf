"""What runs: each `chaku serve` keeps its logs and its state in a directory of its own, where `--status` finds it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_STATE = "state.json"
_LOCK = "lock"
# Tells the chat page which run it belongs to.
RUN_VARIABLE = "CHAKU_RUN"


def _runs() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "chaku"


def new_run_directory(name: str) -> Path:
    """Where the logs and the state of this run lie: a directory of its own below the user's state directory."""
    return _runs() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


@contextmanager
def running(run: Path) -> Iterator[None]:
    """Hold the lock of a run, by which `--status` knows that it runs; the system lets go of it however we end."""
    with (run / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_state(run: Path, services: Sequence[dict[str, Any]]) -> None:
    """Write down what runs; the file is replaced as a whole. A full disk is no reason to stop serving."""
    state = {"pid": os.getpid(), "services": list(services)}
    partial = run / f"{_STATE}.partial"
    try:
        partial.write_text(json.dumps(state), encoding="utf-8")
        partial.replace(run / _STATE)
    except OSError:
        return


def services_of(run: Path) -> list[dict[str, Any]]:
    """What a run last wrote down of its services."""
    state = _read(run / _STATE)
    return state["services"] if state else []


def usual_seconds(run: Path, service: str) -> float | None:
    """What a service took to be ready in the latest other run of this run's model; None where there is none."""
    model = _model_of(run)
    others = (path for path in _runs().glob(f"*/{_STATE}") if path.parent != run and _model_of(path.parent) == model)
    for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
        for told in services_of(path.parent):
            if told["name"] == service and (seconds := told.get("usual_seconds")) is not None:
                return float(seconds)
    return None


def _model_of(run: Path) -> str:
    return run.name.rsplit("-", 3)[0]


def show_status() -> int:
    """Print each run of this user that is alive; returns 1 if there is none."""
    alive = [(path.parent, state) for path in sorted(_runs().glob(f"*/{_STATE}")) if (state := _alive(path))]
    for run, state in alive:
        print(f"chaku serve, process {state['pid']}; logs in {run}")
        width = max(len(service["name"]) for service in state["services"])
        for service in state["services"]:
            restarts = f", restarted {service['restarts']} times" if service["restarts"] else ""
            cause = f" ({service['cause']})" if service["cause"] else ""
            print(f"  {service['name']:<{width}} {service['state']:<9} {service['url']}{restarts}{cause}")
    if not alive:
        print("nothing is served; `chaku serve MODEL` starts a server")
    return 0 if alive else 1


def _alive(path: Path) -> dict[str, Any] | None:
    """The state in a file, if the process that wrote it still runs."""
    try:
        with (path.parent / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # it is held: the run is alive
        return _read(path)
    except OSError:
        return None
    return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state
