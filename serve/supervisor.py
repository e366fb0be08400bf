"""`chaku serve`: the engine and the chat page, started, watched and stopped together."""

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from serve.causes import cause_of_death
from serve.processes import Child

# vLLM lets running requests finish when it is asked to stop; after this it is killed.
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Service:
    """A process to run: how to start it, and the page that answers once it is ready."""

    name: str
    argv: Sequence[str]
    environment: dict[str, str] = field(repr=False)
    ready_url: str


@dataclass
class _Stop:
    """How often the user asked to stop: the first time in order, the second time at once."""

    requests: int = 0

    def ask(self, *_: object) -> None:
        self.requests += 1


def supervise(services: Sequence[Service], *, ready_text: str, logs: Path) -> int:
    """Run services until a signal asks to stop (returns 0) or one of them dies (prints its cause, returns 1).

    `ready_text` is printed once all are ready. Every process started here has ended when this returns.
    """
    console = Console(stderr=True)
    logs.mkdir(parents=True, exist_ok=True)
    with _signals() as stop, ExitStack() as stack:
        children = []
        for service in services:
            log = logs / f"{service.name.replace(' ', '-')}.log"
            child = Child(service.name, service.argv, environment=service.environment, log=log)
            children.append(stack.enter_context(child))
        dead = _wait_until_ready(services, children, stop, console)
        if dead is None and not stop.requests:
            print(ready_text, flush=True)
            dead = _watch(children, stop)
        if dead is not None:
            cause = cause_of_death(dead.log, dead.process.returncode)
            console.print(f"chaku: error: the {dead.name} died: {cause}", style="red", markup=False, highlight=False)
            console.print(f"chaku: its log is {dead.log}", markup=False, highlight=False, soft_wrap=True)
        _stop_all(children, stop, console)
    return 1 if dead else 0


@contextmanager
def _signals() -> Iterator[_Stop]:
    stop = _Stop()
    previous = {number: signal.signal(number, stop.ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait_until_ready(
    services: Sequence[Service], children: Sequence[Child], stop: _Stop, console: Console
) -> Child | None:
    """Wait, showing the seconds; returns a child that died meanwhile."""
    started, waiting = time.monotonic(), dict(zip(children, services, strict=True))
    with console.status("starting") as status:
        while waiting and not stop.requests:
            dead = _dead_among(children)
            if dead is not None:
                return dead
            waiting = {child: service for child, service in waiting.items() if not _answers(service.ready_url)}
            names = " and the ".join(child.name for child in waiting)
            status.update(
                f"starting the {names} ({time.monotonic() - started:.0f} s; logs in {children[0].log.parent})"
            )
            time.sleep(_POLL_SECONDS)
    return None


def _watch(children: Sequence[Child], stop: _Stop) -> Child | None:
    while not stop.requests:
        dead = _dead_among(children)
        if dead is not None:
            return dead
        time.sleep(_POLL_SECONDS)
    return None


def _dead_among(children: Sequence[Child]) -> Child | None:
    return next((child for child in children if child.is_dead()), None)


def _stop_all(children: Sequence[Child], stop: _Stop, console: Console) -> None:
    """Ask all to stop and wait; a further signal, or too long a wait, leaves the rest to be killed."""
    asked = stop.requests
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + STOP_SECONDS
    with console.status("stopping (once more to stop at once)"):
        while time.monotonic() < deadline and stop.requests <= max(asked, 1):
            if all(child.is_dead() for child in children):
                return
            time.sleep(_POLL_SECONDS)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 a server of ours, on the loopback
    except (urllib.error.URLError, OSError):
        return False
    return True


def log_directory(name: str) -> Path:
    """Where the logs of a run lie: a folder of its own below the user's state directory."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "chaku" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def python_service(name: str, module: str, *arguments: str, ready_url: str) -> Service:
    """A service that is a module of ours."""
    return Service(
        name=name, argv=[sys.executable, "-m", module, *arguments], environment=dict(os.environ), ready_url=ready_url
    )
