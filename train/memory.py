"""How much memory a run takes on each device, estimated from the recipe and the base model's shapes alone."""

import math
import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import psutil
import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from templates.errors import InputError
from train.flops import attention_width
from train.loss import CHUNK
from train.model import compute_dtype, decoder_layers
from train.parallel import Ranks
from train.recipe import Optimizer, Recipe

FLOAT32 = 4
# Bytes of AdamW's two averages for each trained number; in 8 bits with a scale for each block of 256.
_AVERAGES = {"adamw": 8.0, "adamw_8bit": 2.03}
# NF4 with double quantisation: 4 bits and 0.127 bits of scales (arXiv 2305.14314).
_NF4 = 4.127 / 8


@dataclass(frozen=True)
class Shapes:
    """What of a base model decides its memory: numbers of weights by kind, and widths. `layer` is the largest."""

    weights: int
    trained: int
    in_layers: int
    layer: int
    layers: int
    hidden: int
    intermediate: int
    attention: int
    key_values: int
    vocabulary: int


@dataclass(frozen=True)
class Memory:
    """Bytes on each device, by what holds them. `states` of these last from step to step."""

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.parts.values())

    @property
    def states(self) -> float:
        """What no smaller batch or recomputation makes smaller."""
        return sum(self.parts[name] for name in ("weights", "gradients", "optimizer"))

    @property
    def largest(self) -> str:
        """The part that dominates."""
        return max(self.parts, key=lambda name: self.parts[name])


def empty_model(recipe: Recipe, config: PretrainedConfig) -> PreTrainedModel:
    """The model that would be trained, with its adapters and frozen parts, on the meta device: without weights."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            deepcopy(config),  # which is given the type as its own
            dtype=torch.float32,
            trust_remote_code=False,
        )
        if recipe.lora.rank:
            from train.lora import add_adapters

            add_adapters(model, recipe.lora)
    if recipe.model.freeze is not None:
        from train.freeze import freeze

        freeze(model, recipe.model.freeze)
    return model


def shapes_of(model: PreTrainedModel) -> Shapes:
    """The shapes of a model, which may lie on the meta device."""
    config, layers = model.config, decoder_layers(model)
    heads = int(config.num_attention_heads)
    key_heads = int(getattr(config, "num_key_value_heads", None) or heads)
    return Shapes(
        weights=_count(model),
        trained=_count(model, trained=True),
        in_layers=_count(layers),
        layer=max(map(_count, layers)),
        layers=len(layers),
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        attention=attention_width(config),
        key_values=attention_width(config) // heads * key_heads,
        vocabulary=config.vocab_size,
    )


def estimate(recipe: Recipe, shapes: Shapes, *, tokens: int, ranks: Ranks) -> Memory:
    """Bytes on each rank's device for micro-batches of so many tokens."""
    shards = ranks.world_size // recipe.parallel.replicas
    dtype = compute_dtype(recipe.model, ranks.device).itemsize
    per_token = _activations(shapes, dtype)
    kept = shapes.layers * per_token
    if recipe.model.activation_checkpointing:
        kept = shapes.layers * shapes.hidden * dtype + per_token
    parts = {
        "weights": _held(recipe, shapes, shards=shards, dtype=dtype),
        "gradients": FLOAT32 * shapes.trained / shards,
        "optimizer": _optimizer(recipe.optimizer, shapes) / shards,
        "working copies": _working_copies(recipe, shapes, ranks=ranks, dtype=dtype),
        "activations": float(kept * tokens),
        "logits": float(
            CHUNK * shapes.vocabulary * (FLOAT32 + 2 * dtype) + 2 * shapes.vocabulary * shapes.hidden * dtype
        ),
    }
    return Memory(parts)


def memory_of(recipe: Recipe, config: PretrainedConfig, *, window: int, ranks: Ranks) -> Memory:
    """The estimate for a recipe on windows of so many tokens."""
    shapes = shapes_of(empty_model(recipe, config))
    return estimate(recipe, shapes, tokens=window * recipe.batch.windows_per_micro_batch, ranks=ranks)


def capacity(device: torch.device) -> int:
    """Bytes of memory that one rank may use: its GPU's, or its share of the machine's."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def refuse_too_large(recipe: Recipe, memory: Memory, *, ranks: Ranks) -> None:
    """Raise InputError where the weights and the optimizer's state alone are more than a device holds."""
    has = capacity(ranks.device)
    if memory.states > has:
        ranks_needed = math.ceil(memory.states * ranks.world_size / has) + 1
        parts = ", ".join(
            f"{name} {in_gigabytes(memory.parts[name])}" for name in ("weights", "gradients", "optimizer")
        )
        raise InputError(
            f"{recipe.model.path} does not fit: each of {ranks.world_size} rank(s) needs "
            f"{in_gigabytes(memory.states)} ({parts}) and has {in_gigabytes(has)}; "
            f"{next_step(recipe, ranks=f'{ranks_needed} ranks or more', lasting=True)}"
        )


def out_of_memory(recipe: Recipe, memory: Memory, *, ranks: Ranks) -> InputError:
    """The one line for a device that ran out of memory in the middle of a step."""
    largest, has = memory.largest, in_gigabytes(capacity(ranks.device))
    return InputError(
        f"{recipe.model.path} does not fit: a device ran out of its {has}; estimated are "
        f"{in_gigabytes(memory.total)}, most of it {largest} ({in_gigabytes(memory.parts[largest])}); "
        f"{next_step(recipe)}"
    )


def next_step(recipe: Recipe, *, ranks: str = "more ranks", lasting: bool = False) -> str:
    """What makes a run smaller, the cheapest first; with `lasting`, what makes its states smaller."""
    ways = []
    if not (recipe.model.activation_checkpointing or lasting):
        ways.append("--model.activation_checkpointing true")
    if recipe.batch.windows_per_micro_batch > 1 and not lasting:
        ways.append("--batch.windows_per_micro_batch 1")
    if recipe.optimizer.type == "adamw" and not recipe.lora.rank:
        ways.append("--optimizer.type adamw_8bit")
    if not recipe.lora.rank:
        ways.append("--lora.rank 16")
    elif not recipe.lora.base_in_4_bits:
        ways.append("--lora.base_in_4_bits true")
    return f"take {ranks}, or give {' or '.join(ways)}" if ways else f"take {ranks} or a smaller model"


def in_gigabytes(size: float) -> str:
    """A size in GB (1e9 bytes), in MB where that is short of one.

    >>> in_gigabytes(5.72e9), in_gigabytes(31e6)
    ('5.7 GB', '31 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _count(module: nn.Module, *, trained: bool = False) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad or not trained)


def _held(recipe: Recipe, shapes: Shapes, *, shards: int, dtype: int) -> float:
    """Trained weights are float32; under adapters the base is in the compute type, or its layers whole in 4 bits."""
    if not recipe.lora.rank:
        return FLOAT32 * shapes.weights / shards
    base = shapes.weights - shapes.trained
    adapters = FLOAT32 * shapes.trained / shards
    if recipe.lora.base_in_4_bits:
        in_layers = shapes.in_layers - shapes.trained
        return adapters + _NF4 * in_layers + dtype * (base - in_layers) / shards
    return adapters + dtype * base / shards


def _optimizer(recipe: Optimizer, shapes: Shapes) -> float:
    return _AVERAGES[recipe.type] * shapes.trained


def _working_copies(recipe: Recipe, shapes: Shapes, *, ranks: Ranks, dtype: int) -> float:
    """Weights in the compute type, as the layers use them.

    Many ranks gather the embeddings and two layers, one being fetched; a lone one has copies of all that is float32.
    """
    if ranks.world_size == 1:
        copied = shapes.trained if recipe.lora.rank else shapes.weights
        return float(dtype * copied if dtype != FLOAT32 else 0)
    outside = shapes.weights - shapes.in_layers
    return float(dtype * (outside if recipe.lora.base_in_4_bits else outside + 2 * shapes.layer))


def _activations(shapes: Shapes, dtype: int) -> float:
    """Bytes that a Llama layer keeps for its backward pass, for each token.

    In the compute type: two norms' outputs before and after their weight, queries, keys, values and attention's
    output, and four of the feed-forward's width; in float32 the norms' inputs, as they are and normalised.
    """
    widths = 4 * shapes.hidden + 2 * shapes.attention + 2 * shapes.key_values + 4 * shapes.intermediate
    return float(dtype * widths + FLOAT32 * 4 * shapes.hidden)
