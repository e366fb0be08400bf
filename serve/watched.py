"""One service that is kept alive: started, probed until it answers, and started again when it dies."""

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from rich.console import Console

from serve.causes import cause_of_death
from serve.middleware.draining import RUNNING_HEADER
from serve.processes import Child
from serve.run_state import usual_seconds

# A service that was ready for so long has recovered from what it died of before.
STEADY_SECONDS = 60.0
_MOST_DEATHS = 5
_LONGEST_BACKOFF_SECONDS = 30.0
_PROBE_SECONDS = 2.0

State = Literal["starting", "ready", "waiting", "dead"]


@dataclass(frozen=True)
class Service:
    """A process to run: how to start it, and the page that answers once it is ready.

    `drains`: asked to stop, it lets running requests finish, and what it serves is stopped after it.
    """

    name: str
    argv: Sequence[str]
    environment: dict[str, str] = field(repr=False)
    ready_url: str
    drains: bool = True


class Watched:
    """A service and its process. `step` is called again and again, and never blocks for long."""

    def __init__(self, service: Service, run: Path, console: Console) -> None:
        self.service, self.run = service, run
        self.state: State = "starting"
        self.restarts = 0
        self.cause = ""
        self._console = console
        self._deaths = 0  # in a row, without a steady time between them
        self._was_ready = False
        self._since, self._entered = time.monotonic(), time.time()
        self._usual_seconds = usual_seconds(run, service.name)
        self.child = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()

    def step(self) -> None:
        """See what became of the process, and act on it."""
        now = time.monotonic()
        if self.state == "waiting":
            if now >= self._since + self._backoff():
                self.restarts += 1
                self.child = self._start()
                self._enter("starting")
        elif self.state != "dead" and self.child.is_dead():
            self._died()
        elif self.state == "starting" and _answers(self.service.ready_url):
            self._was_ready, self._usual_seconds = True, round(now - self._since, 1)
            self._enter("ready")
        elif self.state == "ready" and now > self._since + STEADY_SECONDS:
            self._deaths = 0

    def is_idle(self) -> bool:
        """Whether no request runs, now that new ones are turned away; true too of one that does not answer."""
        return self.state != "ready" or self.child.is_dead() or not _running(self.service.ready_url)

    def shown(self) -> dict[str, Any]:
        """What `chaku serve --status` and the chat page show of it: `since` when, and how long it takes to be ready."""
        return {
            "name": self.service.name,
            "state": self.state,
            "url": self.service.ready_url.removesuffix("/health"),
            "restarts": self.restarts,
            "cause": self.cause,
            "since": self._entered,
            "usual_seconds": self._usual_seconds,
        }

    def _start(self) -> Child:
        number = f"-{self.restarts + 1}" if self.restarts else ""
        log = self.run / f"{self.service.name.replace(' ', '-')}{number}.log"
        return Child(self.service.name, self.service.argv, environment=self.service.environment, log=log)

    def _enter(self, state: State) -> None:
        self.state, self._since, self._entered = state, time.monotonic(), time.time()

    def _died(self) -> None:
        self.cause = cause_of_death(self.child.log, self.child.process.returncode)
        self.child.kill()  # its own children, which would hold its memory and its port
        self._deaths += 1
        self._enter("waiting" if self._was_ready and self._deaths < _MOST_DEATHS else "dead")
        self._say(f"chaku: error: the {self.service.name} died: {self.cause}", style="red")
        self._say(f"chaku: its log is {self.child.log}")
        if self.state == "waiting":
            self._say(f"chaku: the {self.service.name} is started again in {self._backoff():.0f} s")

    def _backoff(self) -> float:
        return float(min(2 ** (self._deaths - 1), _LONGEST_BACKOFF_SECONDS))

    def _say(self, line: str, *, style: str | None = None) -> None:
        self._console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _running(url: str) -> int:
    """Requests that still run on a server that drains; 0 where it has none, or does not say."""
    try:
        urllib.request.urlopen(url, timeout=_PROBE_SECONDS).close()  # noqa: S310 a server of ours, on the loopback
    except urllib.error.HTTPError as refusal:
        return int(refusal.headers.get(RUNNING_HEADER, 0))
    except (urllib.error.URLError, OSError):
        return 0
    return 0


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=_PROBE_SECONDS).close()  # noqa: S310 a server of ours, on the loopback
    except (urllib.error.URLError, OSError):
        return False
    return True
