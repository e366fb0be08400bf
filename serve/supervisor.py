"""`chaku serve`: the engines and the chat page, started, watched, started again when they die, and stopped in order."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from serve.run_state import running, write_state
from serve.watched import Service, Watched

# Requests that run may finish within this; an engine that then takes longer than STOP_SECONDS to end is killed. vLLM's
# own draining (`--shutdown-timeout`) is not used: with it a CPU engine hangs when it has finished (0.32).
DRAIN_SECONDS = 30.0
STOP_SECONDS = 15.0
DRAINING = "draining"
_POLL_SECONDS = 0.1
# How often a start that no terminal shows is told of in a line of its own.
_LINE_SECONDS = 10.0


@dataclass
class _Stop:
    """How often the user asked to stop: the first time in order, the second time at once."""

    requests: int = 0

    def ask(self, *_: object) -> None:
        self.requests += 1


def supervise(services: Sequence[Service], *, ready_text: str, run: Path) -> int:
    """Run services until a signal asks to stop; returns 0, or 1 if one of them cannot be kept alive.

    A service that dies once it was ready is started again, later each time; its cause is printed in one line. One that
    dies before it was ever ready, or again and again, ends the run. `ready_text` is printed once all are ready. Logs
    and the state that `--status` shows lie in `run`. Every process started here has ended when this returns.
    """
    console = Console(stderr=True)
    run.mkdir(parents=True, exist_ok=True)
    with running(run), _signals() as stop, ExitStack() as stack:
        watched = [stack.enter_context(Watched(service, run, console)) for service in services]
        write_state(run, [one.shown() for one in watched])
        gave_up = _wait_until_ready(watched, stop, console)
        if not gave_up and not stop.requests:
            print(ready_text, flush=True)
            gave_up = _watch(watched, stop, run)
        _stop_all(watched, stop, console, run)
    return 1 if gave_up else 0


@contextmanager
def _signals() -> Iterator[_Stop]:
    stop = _Stop()
    # A terminal that closes is a stop too, unless `nohup` or its like says otherwise.
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    previous = {number: signal.signal(number, stop.ask) for number in (signal.SIGTERM, signal.SIGINT, *hangup)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait_until_ready(watched: Sequence[Watched], stop: _Stop, console: Console) -> bool:
    """Wait, showing the seconds; returns whether a service died meanwhile."""
    started = told = time.monotonic()
    with console.status("starting") as status:
        while not stop.requests:
            for one in watched:
                one.step()
            if any(one.state == "dead" for one in watched):
                return True
            waiting = [one.service.name for one in watched if one.state != "ready"]
            if not waiting:
                return False
            now = time.monotonic()
            line = f"starting the {' and the '.join(waiting)} ({now - started:.0f} s; logs in {watched[0].run})"
            status.update(line)
            if not console.is_terminal and now >= told + _LINE_SECONDS:
                told = now
                console.print(f"chaku: {line}", markup=False, highlight=False, soft_wrap=True)
            time.sleep(_POLL_SECONDS)
    return False


def _watch(watched: Sequence[Watched], stop: _Stop, run: Path) -> bool:
    """Keep all alive until a signal; returns whether one of them cannot be."""
    shown: list[object] = []
    while not stop.requests:
        for one in watched:
            one.step()
        if any(one.state == "dead" for one in watched):
            return True
        now = [one.shown() for one in watched]
        if now != shown:
            write_state(run, now)
            shown = list(now)
        time.sleep(_POLL_SECONDS)
    return False


def _stop_all(watched: Sequence[Watched], stop: _Stop, console: Console, run: Path) -> None:
    """New requests are turned away; the engines finish those that run, then the page is asked to stop.

    A further signal, or too long a wait, leaves the rest to be killed.
    """
    asked = max(stop.requests, 1)
    (run / DRAINING).touch()
    engines = [one for one in watched if one.service.drains]
    others = [one for one in watched if not one.service.drains]

    def wait(seconds: float, is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not is_over() and time.monotonic() < deadline and stop.requests <= asked:
            time.sleep(_POLL_SECONDS)

    with console.status("stopping: running requests may finish (once more to stop at once)"):
        wait(DRAIN_SECONDS, lambda: all(one.is_idle() for one in engines))
        for group in (engines, others):
            for one in group:
                one.child.ask_to_stop()
            wait(STOP_SECONDS, partial(_are_dead, group))


def _are_dead(watched: Sequence[Watched]) -> bool:
    return all(one.child.is_dead() for one in watched)


def python_service(
    name: str, module: str, *arguments: str, ready_url: str, environment: dict[str, str] | None = None
) -> Service:
    """A service that is a module of ours."""
    return Service(
        name=name,
        argv=[sys.executable, "-m", module, *arguments],
        environment=dict(os.environ) if environment is None else environment,
        ready_url=ready_url,
        drains=False,
    )
