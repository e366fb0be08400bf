"""Work on batches in this process or in many, results in order; what each batch gives does not depend on how many."""

import gc
import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, forkserver, get_context, parent_process
from pathlib import Path
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from data_tools.readers import input_files
from templates import InputError
from templates.loading import hide_torch

# Below this size of the dumps starting processes takes longer than they save.
_BIG = 32_000_000

Tool = TypeVar("Tool")
Tool_co = TypeVar("Tool_co", covariant=True)
Job = TypeVar("Job")
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")
# Python looks for cycles after 700 new objects, again and again in a batch, and what is made here has hardly any.
_OBJECTS_BEFORE_A_SEARCH = 100_000
# A tool may be large; it is sent to a process once, and its steps then find it here.
_tool: Any = None


class Workers(Protocol[Tool_co]):
    """Where steps are done: each is a function of a tool, made once in each process, and a job."""

    def map(self, step: Callable[[Tool_co, Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """The results, in the order of the jobs."""


def how_many(workers: int | None, paths: Iterable[Path]) -> int:
    """The processes to start: as many as asked for, else one for each core where the dumps are big."""
    if workers is not None:
        return workers
    total = sum(file.stat().st_size for path in paths for file in input_files(path))
    return (os.cpu_count() or 1) if total >= _BIG else 1


def warm_up(modules: list[str]) -> None:
    """Begin to import modules for the processes that are about to start; they are forked from one that has them."""
    get_context("forkserver").set_forkserver_preload(modules)
    forkserver.ensure_running()


@contextmanager
def cycles_seldom_sought() -> Iterator[None]:
    """In this block the garbage collector looks for cycles seldom; that takes a twentieth off the time."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BEFORE_A_SEARCH)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def workers_for(tool: Tool, workers: int) -> Iterator[Workers[Tool]]:
    """Some processes with a tool each, or this one. Raises InputError where a process is killed."""
    if workers == 1:
        yield Here(tool)
        return
    with processes_for(pickle.dumps(tool), workers) as processes:
        yield processes


@contextmanager
def processes_for(pickled: bytes, workers: int) -> Iterator["Processes[Any]"]:
    """Some processes with a tool each, which need not have been in this one, once one of them is ready.

    Raises InputError where one is killed.
    """
    context = get_context("forkserver")
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(pickled,)) as pool:
        try:
            list(pool.map(_is_ready, range(workers)))
            yield Processes(pool, workers)
        except BrokenProcessPool as error:
            raise InputError(
                f"one of the {workers} processes was killed, perhaps for want of memory; take fewer with --workers"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def apart(function: Callable[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs) -> Result:
    """The result of a function, called in a fresh process without PyTorch: what it imports and loads goes with it.

    Raises InputError where the process is killed.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin_without_torch) as pool:
        try:
            return pool.submit(function, *args, **options).result()
        except BrokenProcessPool as error:
            raise InputError("the process that loads the tokenizer was killed, perhaps for want of memory") from error


class Here(Generic[Tool]):
    """This process."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool

    def map(self, step: Callable[[Tool, Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """The results, in the order of the jobs."""
        return (step(self.tool, job) for job in jobs)


class Processes(Generic[Tool]):
    """A pool of processes; only a few jobs are on their way at any time, so that memory stays flat."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self._pool, self._most = pool, 2 * workers

    def map(self, step: Callable[[Tool, Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """The results, in the order of the jobs."""
        running: deque[Future[Result]] = deque()
        for job in jobs:
            running.append(self._pool.submit(_do, step, job))
            if len(running) > self._most:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _begin(tool: bytes) -> None:
    """Make a new process ready: one thread for the tokenizer, and an end when the main process ends, even if killed."""
    global _tool  # noqa: PLW0603 a process has one tool, and a pool's functions find it only so
    os.environ["RAYON_NUM_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _tool = pickle.loads(tool)  # noqa: S301 what the main process has just written
    gc.freeze()  # what is loaded now stays to the end, and need not be looked through again and again
    gc.set_threshold(_OBJECTS_BEFORE_A_SEARCH)


def _is_ready(_: int) -> bool:
    return _tool is not None


def _begin_without_torch() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    hide_torch()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _do(step: Callable[[Any, Any], Any], job: object) -> Any:  # noqa: ANN401 of any step
    return step(_tool, job)
