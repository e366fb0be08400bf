"""Progress on stderr: a bar on a terminal, elsewhere a plain line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int], None]

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(description: str, *, total: int) -> Iterator[Report]:
    """Yield a function that takes how many units (bytes, conversations) are done since its last call.

    >>> with progress("encode", total=500) as report:
    ...     report(64)
    """
    if not sys.stderr.isatty():
        yield _lines(description, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<8}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.advance(task, done)


def _lines(description: str, total: int) -> Report:
    done, last = 0, time.monotonic()

    def report(units: int) -> None:
        nonlocal done, last
        done += units
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{description}: {done / max(1, total):.0%}", file=sys.stderr, flush=True)

    return report
