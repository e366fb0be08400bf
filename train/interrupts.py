"""What may come between two steps: SIGTERM, which is looked at there, and garbage collection, which is done there."""

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STEPS_BETWEEN_COLLECTIONS = 100


@contextmanager
def sigterm() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM into a question that can be asked between steps: has it come?"""
    came: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, previous)


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
