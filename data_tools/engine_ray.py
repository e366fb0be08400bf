"""The same work by Ray Data, on one machine or over a cluster, with the same results in the same order."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pyarrow as pa

from data_tools.workers import Workers
from templates import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")


@contextmanager
def ray_workers(pickled: bytes, workers: int | None) -> Iterator[Workers[Any]]:
    """Actors with a tool each, unpickled there: so many, or as many as the cluster has processors.

    A cluster that is named by `RAY_ADDRESS` is used, else one is started here for the time of the block. Raises
    InputError where Ray is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError('--engine ray needs Ray Data: pip install "chaku[ray]"') from error
    was_running = ray.is_initialized()
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False, logging_level="warning")
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    try:
        yield _Ray(pickled, workers or max(1, int(ray.cluster_resources().get("CPU", 1))))
    finally:
        if not was_running:
            ray.shutdown()


class _Ray:
    """Steps as batches of a dataset. Jobs wait in the object store, which spills to disk, not in this process."""

    def __init__(self, pickled: bytes, actors: int) -> None:
        self._tool, self._actors = pickled, actors

    def map(self, step: Callable[[Any, Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """The results, in the order of the jobs."""
        import ray
        import ray.data

        blocks = [ray.put(_block(job)) for job in jobs]
        if not blocks:
            return
        done = ray.data.from_arrow_refs(blocks).map_batches(
            _Actor,
            fn_constructor_args=(self._tool, step),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(self._actors, len(blocks))),
        )
        for batch in done.iter_batches(batch_size=1, batch_format="pyarrow"):
            yield pickle.loads(batch["job"][0].as_py())  # noqa: S301 what an actor of ours has written


class _Actor:
    """One process of the cluster."""

    def __init__(self, tool: bytes, step: Callable[[Any, Any], Any]) -> None:
        self._tool, self._step = pickle.loads(tool), step  # noqa: S301 what the main process has written

    def __call__(self, batch: pa.Table) -> pa.Table:
        return _block(self._step(self._tool, pickle.loads(batch["job"][0].as_py())))  # noqa: S301 likewise


def _block(value: object) -> pa.Table:
    return pa.table({"job": pa.array([pickle.dumps(value)], pa.large_binary())})
