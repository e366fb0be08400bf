"""Weights as safetensors, shard by shard: each rank writes its own files, and no device ever holds the whole model."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from train.parallel import Ranks

SHARD_BYTES = 4_000_000_000
INDEX = "model.safetensors.index.json"


def write_weights(
    model: nn.Module, directory: Path, *, dtype: torch.dtype, ranks: Ranks, shard_bytes: int = SHARD_BYTES
) -> None:
    """Write the model's weights in a type as transformers names them; all ranks call this.

    One weight at a time is gathered, and shard k is kept and written by rank k modulo their number: a rank's memory
    holds one shard. Three shards are ``model-00001-of-00003.safetensors`` ... with ``model.safetensors.index.json``.
    """
    shards = _shards(model, dtype, shard_bytes)
    names = _file_names(len(shards))
    for number, (shard, name) in enumerate(zip(shards, names, strict=True)):
        writer = number % ranks.world_size == ranks.rank
        whole = {key: plain for key, plain in _gathered(shard, dtype) if writer}
        if writer:
            save_file(whole, directory / name, metadata={"format": "pt"})
    if ranks.is_first and len(shards) > 1:
        weight_map = {key: name for shard, name in zip(shards, names, strict=True) for key in shard}
        total = sum(weight.numel() for shard in shards for weight in shard.values()) * dtype.itemsize
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (directory / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
    dist.barrier()


def _shards(model: nn.Module, dtype: torch.dtype, shard_bytes: int) -> list[dict[str, Tensor]]:
    """The weights by name (tied ones once) in groups of at most `shard_bytes`, a larger one alone."""
    shards: list[dict[str, Tensor]] = [{}]
    size, seen = 0, set()
    for name, weight in model.state_dict(keep_vars=True).items():
        if id(weight) in seen:
            continue
        seen.add(id(weight))
        bytes_of = weight.numel() * dtype.itemsize
        if shards[-1] and size + bytes_of > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = weight
        size += bytes_of
    return shards


def _gathered(shard: dict[str, Tensor], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Each weight whole, on the CPU; cast before it is gathered, which halves what the ranks send."""
    for name, weight in shard.items():
        cast = weight.detach().to(dtype)
        yield name, (cast.full_tensor() if isinstance(cast, DTensor) else cast).cpu().contiguous()


def _file_names(count: int) -> list[str]:
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
