"""One process or many: a process group, and FSDP2 over its ranks.

Each rank holds a share of the float32 weights and of the optimizer's state; a layer's weights are gathered in the
compute type when they are needed (`torch.distributed.fsdp.fully_shard`).
"""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch._C._distributed_c10d import HashStore
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from train.model import Trainee, decoder_layers
from train.working_copies import compute_with_copies

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h


@dataclass(frozen=True)
class Ranks:
    """This process among all of them."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """The sums of values over all ranks (float64, so that counts stay exact)."""
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def mesh(self, replicas: int) -> DeviceMesh:
        """The ranks in `replicas` groups, neighbours together; torchrun numbers the ranks of a node in a row."""
        if replicas == 1:
            return init_device_mesh(self.device.type, (self.world_size,), mesh_dim_names=("shard",))
        shape = (replicas, self.world_size // replicas)
        return init_device_mesh(self.device.type, shape, mesh_dim_names=("replicate", "shard"))


def keep_freed_tensors() -> None:
    """Have glibc keep freed tensors for the next ones instead of returning them to the system.

    By default tensors of some megabytes come from the system and go back to it, and a quarter of a step on a CPU went
    into new pages: 12.0 s a step of SmolLM2-135M on 2048 tokens in float32, 9.3 s with this. One heap serves all
    threads, since the backward pass, which has a thread of its own, frees what the forward pass has kept.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_ARENA_MAX, 1)):
            libc.mallopt(option, value)


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Join the processes that torchrun started, or be alone; yields this process's place among them."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    else:
        keep_freed_tensors()
    backend = "nccl" if cuda else "gloo"
    if "RANK" in os.environ:
        dist.init_process_group(backend)
    else:
        # a store in memory: a lone process opens no port
        dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
    try:
        yield Ranks(rank=dist.get_rank(), world_size=dist.get_world_size(), device=device)
    finally:
        dist.destroy_process_group()


def shard(trainee: Trainee, *, compute_dtype: torch.dtype, ranks: Ranks, replicas: int = 1) -> None:
    """Share the weights out over the ranks, layer by layer, in place.

    With `replicas`, each of so many groups of ranks holds all weights among its own, and the groups add up gradients:
    between nodes, only those then travel. 4-bit weights stay whole on each rank (`packed_parameters`). Alone there is
    nothing to share out: where the compute type is not float32, copies of the weights have it.
    """
    if ranks.world_size == 1:
        trainee.to(ranks.device)
        if compute_dtype != torch.float32:
            compute_with_copies(trainee, compute_dtype, renewed_before=(trainee, trainee.model))
        return
    policy = MixedPrecisionPolicy(param_dtype=compute_dtype, reduce_dtype=torch.float32)
    mesh, whole = ranks.mesh(replicas), packed_parameters(trainee)
    for layer in decoder_layers(trainee.model):
        fully_shard(layer, mesh=mesh, mp_policy=policy, reshard_after_forward=True, ignored_params=whole)
    fully_shard(trainee, mesh=mesh, mp_policy=policy, reshard_after_forward=False, ignored_params=whole)
    register_fsdp_forward_method(trainee, "next_logits")
    for module in trainee.modules():
        if isinstance(module, FSDPModule):
            # The loss is already divided by the supervised tokens of all ranks: gradients are summed, not averaged.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def packed_parameters(module: nn.Module) -> set[nn.Parameter]:
    """The 4-bit weights: two in a byte, with scales beside them, which cannot be cut by rows."""
    return {parameter for parameter in module.parameters() if parameter.dtype == torch.uint8}


def gradient_norm(module: nn.Module, *, max_norm: float) -> float:
    """The norm of all gradients over all ranks; they are scaled down to `max_norm` where that is not 0."""
    norm = nn.utils.clip_grad_norm_(module.parameters(), max_norm or float("inf"))
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
