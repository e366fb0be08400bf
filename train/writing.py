"""Writing a checkpoint's tensors: in the background where they can be copied aside first, else at once."""

import errno
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_saver import async_save, save
from torch.distributed.tensor import DTensor


def begin_writing(state: dict[str, Any], place: Path | None, *, group: dist.ProcessGroup | None) -> Any:  # noqa: ANN401
    """Write a state, `model` and `optimizer`; all ranks call this. Returns a future, or a pair of them.

    torchao's averages in 8 bits cannot be copied aside, so that the run waits until they are written.
    """
    if all(map(_can_be_staged, _tensors(state["optimizer"]))):
        return async_save(state, checkpoint_id=place, process_group=group)
    writing: Future[None] = Future()
    try:
        save(state, checkpoint_id=place, process_group=group)
    except CheckpointException as error:
        writing.set_exception(error)
    else:
        writing.set_result(None)
    return writing


def wait_until_written(writing: Any) -> None:  # noqa: ANN401 - a future, or a pair of them
    """Until all ranks have written. Raises the system's error where a rank's disk was full."""
    try:
        writing.result()
    except CheckpointException as error:
        reasons = [failure for failure, _ in error.failures.values()]
        # PyTorch's archives, too, end in the middle on a full disk, with an error of their own
        if any("inline_container" in str(reason) or "PytorchStreamWriter" in str(reason) for reason in reasons):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise reasons[0] from error


def _tensors(state: object) -> Iterator[torch.Tensor]:
    """All tensors in nested mappings and lists."""
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping):
        yield from (tensor for value in state.values() for tensor in _tensors(value))
    elif isinstance(state, list):
        yield from (tensor for value in state for tensor in _tensors(value))


def _can_be_staged(tensor: torch.Tensor) -> bool:
    """Whether it is a plain tensor, or a sharded one of plain parts."""
    return type(tensor.to_local() if isinstance(tensor, DTensor) else tensor) in (torch.Tensor, nn.Parameter)
