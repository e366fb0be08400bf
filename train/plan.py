"""`chaku train --plan`: memory, steps, hours and cost of a run that is still to be paid for, from shapes alone."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, PretrainedConfig

from templates.errors import InputError
from train.data import Windows, read_manifest
from train.flops import ModelWork, measured_flops, work_of
from train.gpus import expected_utilisation, gpu_named
from train.memory import Memory, empty_model, estimate, in_gigabytes, next_step, shapes_of
from train.model import compute_dtype, read_config
from train.optimizer import total_steps
from train.parallel import Ranks
from train.recipe import Recipe, check

# Llama 2 (7b, 13b, 70b), Llama 3 (8b) and SmolLM2 (135m), as their config.json has them.
_SHAPES: dict[str, dict[str, Any]] = {
    "135m": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9},
    "7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
    "13b": {"hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40, "num_attention_heads": 40},
    "70b": {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64},
}
_KEY_HEADS = {"135m": 3, "8b": 8, "70b": 8}
_VOCABULARY = {"135m": 49_152, "8b": 128_256}
# SmolLM2-135M on the two cores of the machine that Chaku is written on: 133 of 300 GFLOP/s in float32.
_ON_A_CPU = (0.45, "SmolLM2-135M on two cores")


@dataclass(frozen=True)
class Devices:
    """What a plan is for: so many of one GPU, or this machine's CPU. `peak` is FLOP/s and `memory` bytes of each."""

    name: str
    count: int
    peak: float
    memory: float
    utilisation: float
    source: str

    def ranks(self) -> Ranks:
        """The first of the ranks that would run."""
        return Ranks(0, self.count, torch.device("cpu" if self.name == "cpu" else "cuda"))


@dataclass(frozen=True)
class Epoch:
    """One pass over the windows: how many there are and how large, and the FLOPs of all. `source` says whence."""

    windows: int
    window: int
    flops: float
    source: str


@dataclass(frozen=True)
class Plan:
    """What a run will take."""

    recipe: Recipe
    devices: Devices
    epoch: Epoch
    weights: int
    trained: int
    memory: Memory
    steps: int

    @property
    def flops(self) -> float:
        """Model FLOPs of all steps."""
        return self.steps * self.recipe.batch.windows_per_step * self.epoch.flops / self.epoch.windows

    @property
    def hours(self) -> float:
        """Of training alone: validation, checkpoints and starting come on top."""
        devices = self.devices
        return self.flops / (devices.peak * devices.utilisation * devices.count) / 3600

    @property
    def fits(self) -> bool:
        """Whether the estimate is within each device's memory."""
        return self.memory.total <= self.devices.memory


def devices_named(name: str, *, count: int, utilisation: float | None, recipe: Recipe) -> Devices:
    """The devices of a plan. Raises InputError for a GPU that is not known."""
    if name == "cpu":
        cpu = torch.device("cpu")
        peak, memory = measured_flops(cpu, compute_dtype(recipe.model, cpu)), float(psutil.virtual_memory().total)
        expected, source = _ON_A_CPU
    else:
        gpu = gpu_named(name)
        peak, memory = gpu.tflops * 1e12, gpu.gigabytes * 1e9
        expected, source = expected_utilisation(name)
    if utilisation is not None:
        expected, source = utilisation, "--mfu"
    return Devices(name, count, peak, memory, expected, source)


def config_of(model: str) -> PretrainedConfig:
    """The shapes of a known size (``13b``), or of a directory or hub name, whose config.json alone is read."""
    size = model.lower()
    if size in _SHAPES:
        key_heads = _KEY_HEADS.get(size, _SHAPES[size]["num_attention_heads"])
        return LlamaConfig(
            **_SHAPES[size],
            num_key_value_heads=key_heads,
            vocab_size=_VOCABULARY.get(size, 32_000),
            tie_word_embeddings=size == "135m",
        )
    if not Path(model).is_dir() and "/" not in model:
        raise InputError(f"--plan {model}: neither a known size ({', '.join(_SHAPES)}) nor a directory of a model")
    return read_config(model)


def epoch_of_data(directory: Path, work: ModelWork) -> Epoch:
    """An epoch over prepared windows, with the FLOPs of their very documents."""
    window, windows = int(read_manifest(directory)["window"]), Windows(directory / "train")
    flops = sum(work.of(windows.take([row])) for row in range(len(windows)))
    if not len(windows):
        raise InputError(f"{directory / 'train'}: has no windows; run `chaku data prepare` on more conversations")
    return Epoch(len(windows), window, flops, f"{directory}, its documents and supervised tokens counted")


def epoch_of_tokens(tokens: float, *, window: int, work: ModelWork) -> Epoch:
    """An epoch over so many tokens in full windows; each a single document, all supervised: no less can be needed."""
    windows = math.ceil(tokens / window)
    flops = tokens * (work.per_token + work.per_supervised_token + work.per_squared_length * window)
    return Epoch(windows, window, flops, f"{tokens:,.0f} tokens, as if all were supervised: at most")


def make_plan(recipe: Recipe, devices: Devices, *, tokens: float | None, window: int) -> Plan:
    """The plan of a recipe. `tokens` are those of one epoch; without them the recipe's windows are read.

    Raises InputError where the recipe's step cannot be shared by the devices.
    """
    check(recipe, world_size=devices.count)
    with _quiet():
        model = empty_model(recipe, config_of(recipe.model.path))
    shapes, work = shapes_of(model), work_of(model)
    if tokens is None:
        epoch = epoch_of_data(recipe.data.path, work)
    else:
        epoch = epoch_of_tokens(tokens, window=window, work=work)
    size = epoch.window * recipe.batch.windows_per_micro_batch
    batch = recipe.batch.windows_per_step
    return Plan(
        recipe=recipe,
        devices=devices,
        epoch=epoch,
        weights=shapes.weights,
        trained=shapes.trained,
        memory=estimate(recipe, shapes, tokens=size, ranks=devices.ranks()),
        steps=total_steps(recipe.schedule, windows=epoch.windows, windows_per_step=batch),
    )


def show(plan: Plan, *, price: float | None, console: Console) -> None:
    """Print a plan as a table; the cost only where a price is known."""
    devices, epoch, batch = plan.devices, plan.epoch, plan.recipe.batch
    title = f"{plan.recipe.model.path} on {devices.count} x {devices.name}"
    table = Table("plan", title, title_justify="left")
    table.add_row("parameters", f"{plan.weights:,}, of which {plan.trained:,} are trained")
    table.add_row("memory per device", _verdict(plan))
    for name, size in sorted(plan.memory.parts.items(), key=lambda part: -part[1]):
        table.add_row(f"  {name}", f"{in_gigabytes(size)} ({size / plan.memory.total:.0%})")
    table.add_row("windows", f"{epoch.windows:,} of {epoch.window:,} tokens ({epoch.source})")
    table.add_row("steps", f"{plan.steps:,}, each of {batch.windows_per_step} windows ({_epochs(plan)})")
    table.add_row("model FLOPs", f"{plan.flops:.2e}, recomputed layers not counted")
    peak = f"{devices.peak / 1e12:,.3g} TFLOP/s"
    table.add_row("time", f"{_in_hours(plan.hours)} at an MFU of {devices.utilisation:.0%} of {peak} each")
    table.add_row("  MFU assumed", f"from {devices.source}; --mfu gives your own")
    if price is not None:
        cost = price * plan.hours * devices.count
        table.add_row("cost", f"{cost:,.2f} at {price:,.2f} an hour and device")
    console.print(table)


def _verdict(plan: Plan) -> str:
    needed, has = in_gigabytes(plan.memory.total), in_gigabytes(plan.devices.memory)
    largest = f"most of it {plan.memory.largest}"
    if plan.fits:
        return f"{needed} of {has}, {largest}: fits"
    return f"{needed} of {has}, {largest}: does not fit; {next_step(plan.recipe)}"


def _epochs(plan: Plan) -> str:
    schedule = plan.recipe.schedule
    return "schedule.max_steps" if schedule.max_steps is not None else f"{schedule.epochs:g} epochs"


def _in_hours(hours: float) -> str:
    """A duration: ``10.9 hours``, or in minutes where it is short of two hours."""
    return f"{hours:.1f} hours" if hours >= 2 else f"{hours * 60:.1f} minutes"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what transformers says about models that are only looked at."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)


def plan(
    recipe: Recipe,
    *,
    gpu: str,
    count: int,
    tokens: float | None,
    window: int,
    utilisation: float | None,
    price: float | None,
) -> int:
    """Print what a run will take. Returns 0 where it fits, else 1."""
    devices = devices_named(gpu, count=count, utilisation=utilisation, recipe=recipe)
    made = make_plan(recipe, devices, tokens=tokens, window=window)
    show(made, price=price, console=Console(markup=False, highlight=False))
    return 0 if made.fits else 1
