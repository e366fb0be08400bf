"""What may come between two steps: a notice to stop is looked at there, and garbage is collected there."""

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STEPS_BETWEEN_COLLECTIONS = 100


# What schedulers send before they end a job: SIGTERM by default (spot machines, Kubernetes, Slurm), SIGUSR1 by
# Slurm's `--signal=USR1@120`.
_NOTICES = (signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def told_to_stop() -> Iterator[Callable[[], str | None]]:
    """Turn a notice to stop into a question that can be asked between steps: which has come?"""
    came: list[str] = []
    previous = {
        notice: signal.signal(notice, lambda number, _: came.append(signal.Signals(number).name)) for notice in _NOTICES
    }
    try:
        yield lambda: came[0] if came else None
    finally:
        for notice, handler in previous.items():
            signal.signal(notice, handler)


@contextmanager
def garbage_by_hand() -> Iterator[Callable[[int], None]]:
    """Collect garbage at fixed steps alone, the same on all ranks; yields what is called after each step.

    Python would collect whenever it has made enough objects, on each rank at another time, and all wait for each. What
    was made before the first step is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield lambda step: gc.collect() if step % STEPS_BETWEEN_COLLECTIONS == 0 else None  # type: ignore[misc]
    finally:
        gc.enable()
        gc.unfreeze()
