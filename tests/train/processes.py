"""Training runs as processes of their own, to be killed and to be ranks; torch is imported once for all of them."""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

_PRELOADED = ["train.main", "train.lora"]


def start(argv: Sequence[str], **environment: str) -> BaseProcess:
    """Begin `chaku train` with these arguments and variables."""
    process = _server().Process(target=_train, args=(list(argv), environment))
    process.start()
    return process


def start_ranks(argv: Sequence[str], count: int) -> list[BaseProcess]:
    """Begin so many ranks, with the variables that torchrun sets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    return [start(argv, RANK=str(rank), LOCAL_RANK=str(rank), **place) for rank in range(count)]


def run(argv: Sequence[str], *, ranks: int = 1) -> None:
    """Train to the end."""
    processes = start_ranks(argv, ranks) if ranks > 1 else [start(argv)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * ranks


def signalled_after(step: int, argv: Sequence[str], out: Path, *, number: int, ranks: int = 1) -> list[int | None]:
    """Send every rank a signal as soon as the figures of a step are written; their exit codes."""
    processes = start_ranks(argv, ranks) if ranks > 1 else [start(argv)]
    path = out.with_name(f"{out.name}.run") / "metrics.jsonl"
    while not (path.is_file() and f'"step": {step}, "loss"' in path.read_text()):
        assert all(process.is_alive() for process in processes)
        time.sleep(0.002)
    for process in processes:
        assert process.pid
        os.kill(process.pid, number)
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def killed_after(step: int, argv: Sequence[str], out: Path) -> None:
    """Start a run and kill it as soon as it has written the figures of a step."""
    assert signalled_after(step, argv, out, number=signal.SIGKILL) == [-signal.SIGKILL]


def _server() -> ForkServerContext:
    """A process that has imported torch and is copied for each run; the preloading happens once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _train(argv: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    with Path(os.devnull).open("w") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
        import torch

        from train.cli import main

        torch.set_num_threads(1)
        sys.exit(main(argv))
