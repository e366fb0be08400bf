"""The process that `chaku serve --engine ray` watches: it starts Ray, or joins a cluster, and ends what it started."""

import contextlib
import ctypes
import os
import signal
import sys

import psutil
import ray
from ray import serve

from serve.ray_serve.application import NAME, build, parse_vllm_arguments
from serve.ray_serve.replicas import Replicas, parse_replicas

_PR_SET_CHILD_SUBREAPER = 36
# What passes between the processes is small: a store of objects is not needed.
_OBJECT_STORE_BYTES = 128 * 2**20


def main(argv: list[str]) -> None:
    """Serve until SIGTERM. `argv` is the number of replicas, and then what vLLM's server is given."""
    replicas = parse_replicas(argv[0])
    args = parse_vllm_arguments(argv[1:])[0]
    _adopt_orphans()
    start_ray(replicas)
    try:
        # After Ray has set its own, which prints a stack and aborts.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        serve.start(http_options={"host": args.host, "port": args.port})
        serve.run(build(argv[1:], replicas), name=NAME)
        signal.pause()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        serve.shutdown()
        ray.shutdown()
        _end_what_is_left()


def start_ray(replicas: Replicas) -> None:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine, for those alone who have its token."""
    if os.environ.get("RAY_ADDRESS"):
        ray.init()
        return
    ray.init(
        address="local",
        include_dashboard=False,
        num_cpus=max(os.cpu_count() or 1, replicas.most),
        object_store_memory=_OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
    )


def _adopt_orphans() -> None:
    """Whatever Ray's processes leave behind when they end becomes a child of this one, which can then end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _end_what_is_left() -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
