"""A run that is set up, and the two things it does again and again: take a step, and look at how far it is."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from train.checkpoint import Checkpoints, Progress
from train.data import MicroBatch, Order
from train.flops import ModelWork, peak_flops, work_of
from train.generate import generate, read_prompts, stopped_share
from train.inputs import Inputs
from train.metrics import Metrics, peak_memory, say
from train.model import Trainee, compute_dtype, load
from train.optimizer import adamw, learning_rate, set_learning_rate, total_steps
from train.parallel import Ranks, shard
from train.recipe import Recipe
from train.step import train_step
from train.validate import validate


@dataclass(frozen=True)
class Run:
    """A run that is ready to go, and how far it is. `peak` is the FLOP/s of all ranks' devices together."""

    recipe: Recipe
    ranks: Ranks
    inputs: Inputs
    prompts: Sequence[str]
    trainee: Trainee
    optimizer: torch.optim.Optimizer
    order: Order
    steps: int
    checkpoints: Checkpoints
    progress: Progress
    attention: str
    work: ModelWork
    peak: float

    def batches(self, step: int) -> list[MicroBatch]:
        """This rank's micro-batches of a step (counted from 0)."""
        rows = self.order.step(step, rank=self.ranks.rank, world_size=self.ranks.world_size)
        return [self.inputs.windows.take(row) for row in rows]


def set_up(recipe: Recipe, ranks: Ranks, inputs: Inputs, checkpoints: Checkpoints) -> Run:
    """Load and share out the weights, and go back to the last checkpoint if there is one."""
    torch.manual_seed(recipe.seed)  # each rank makes the same adapters, and keeps its share
    prompts = read_prompts(recipe.generation)
    trainee, attention = load(recipe, ranks.device, stop_ids=inputs.encoder.stop_ids)
    work, dtype = work_of(trainee.model), compute_dtype(recipe.model, ranks.device)
    shard(trainee, compute_dtype=dtype, ranks=ranks, replicas=recipe.parallel.replicas)
    optimizer = adamw(trainee, recipe.optimizer)
    progress = checkpoints.resume(trainee, optimizer)
    count = len(inputs.windows)
    steps = total_steps(recipe.schedule, windows=count, windows_per_step=recipe.batch.windows_per_step)
    named = checkpoints.identity["model.compute_dtype"]
    say_once(ranks, f"{ranks.world_size} rank(s) on {ranks.device.type} in {named}; attention: {attention}")
    going_on = f"; going on after step {progress.step}" if progress else ""
    say_once(ranks, f"{count} windows, {recipe.batch.windows_per_step} a step, {steps} steps{going_on}")
    return Run(
        recipe=recipe,
        ranks=ranks,
        inputs=inputs,
        prompts=prompts,
        trainee=trainee,
        optimizer=optimizer,
        order=Order(count, recipe.data.seed, recipe.batch.windows_per_step, recipe.batch.windows_per_micro_batch),
        steps=steps,
        checkpoints=checkpoints,
        progress=progress or Progress(),
        attention=attention,
        work=work,
        peak=ranks.sum(peak_flops(ranks.device, dtype))[0],
    )


def take_step(run: Run, step: int, batches: Sequence[MicroBatch]) -> dict[str, float]:
    """One optimizer step (counted from 0) with its figures; adds it to the run's progress."""
    recipe, started = run.recipe, time.perf_counter()
    rate = learning_rate(step, steps=run.steps, peak=recipe.optimizer.lr, schedule=recipe.schedule)
    set_learning_rate(run.optimizer, rate)
    taken = train_step(
        run.trainee,
        run.optimizer,
        batches,
        max_grad_norm=recipe.optimizer.max_grad_norm,
        ranks=run.ranks,
        seed=recipe.seed,
        step=step,
        last_good=run.checkpoints.last_good,
    )
    seconds = time.perf_counter() - started
    [flops] = run.ranks.sum(sum(run.work.of(batch) for batch in batches))
    progress = run.progress
    progress.step = step + 1
    progress.tokens += taken.tokens
    progress.supervised_tokens += taken.supervised_tokens
    progress.seconds += seconds
    progress.figures["loss"] = taken.loss
    return {
        "loss": taken.loss,
        "learning_rate": rate,
        "grad_norm": taken.grad_norm,
        "seconds": seconds,
        "tokens_per_second": taken.tokens / seconds,
        "supervised_tokens_per_second": taken.supervised_tokens / seconds,
        "mfu": flops / seconds / run.peak,
        "memory_bytes": peak_memory(run.ranks.device),
    }


def evaluate(run: Run, metrics: Metrics | None) -> None:
    """Held-out loss and accuracy, into the run's figures, and replies to the fixed prompts.

    The base model's figures stay under names with ``before_``.
    """
    recipe, progress = run.recipe, run.progress
    figures = {}
    held_out = validate(run.trainee, run.inputs.held_out, limit=recipe.validation.windows, ranks=run.ranks)
    if held_out is not None:
        figures = {"held_out_loss": held_out.loss, "held_out_accuracy": held_out.accuracy}
        progress.held_out_step = progress.step
    replies = []
    if run.prompts:
        limit = recipe.generation.max_tokens
        replies = generate(run.trainee, run.inputs.encoder, run.prompts, max_tokens=limit, ranks=run.ranks)
        figures["stopped_replies"] = stopped_share(replies)
    progress.figures |= figures
    if progress.step == 0:
        progress.figures |= {f"before_{name}": value for name, value in figures.items()}
    if not metrics or not figures:
        return
    metrics.record(progress.step, figures)
    metrics.record_replies(progress.step, replies)
    if held_out is not None:
        metrics.say(
            f"held-out loss {held_out.loss:.4f}, token accuracy {held_out.accuracy:.1%} "
            f"({held_out.supervised_tokens} tokens, after step {progress.step})"
        )


def record_of(run: Run) -> dict[str, Any]:
    """What `chaku.json` says of how the model came to be."""
    inputs = run.inputs
    return {
        "fingerprint": asdict(inputs.encoder.fingerprint),
        "template": inputs.manifest["template"],
        "data": inputs.manifest,
        "recipe": run.recipe.as_dict(),
        "identity": run.checkpoints.identity,
        "figures": run.progress.summary(),
    }


def say_once(ranks: Ranks, line: str) -> None:
    """A line on stderr, from the first rank alone."""
    if ranks.is_first:
        say(line)
