"""A training run: set up, fit, validate, write the model."""

import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace

import torch
from transformers.utils import logging as transformers_logging

from data_tools.atomic import refuse_foreign
from train.checkpoint import Checkpoints, Progress, identity_of
from train.data import Order
from train.export import MARKER, export, is_result_of
from train.inputs import Inputs, digest_of_data, digest_of_model, read_inputs
from train.interrupts import garbage_by_hand, sigterm
from train.metrics import Metrics, say
from train.model import Trainee, compute_dtype, load
from train.optimizer import adamw, learning_rate, total_steps
from train.parallel import Ranks, process_group, shard
from train.recipe import Recipe, check
from train.report import write_report
from train.step import train_step
from train.validate import validate


def train(recipe: Recipe) -> int:
    """Train by a recipe. Returns 0 when the model is written, or when SIGTERM stopped the run with a checkpoint."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with ExitStack() as stack:
        ranks = stack.enter_context(process_group())
        check(recipe, world_size=ranks.world_size)
        refuse_foreign(recipe.out, marker=MARKER)
        inputs = read_inputs(recipe)
        identity = identity_of(
            recipe,
            data=digest_of_data(recipe),
            model=digest_of_model(recipe, inputs.config),
            compute_dtype=compute_dtype(recipe.model, ranks.device),
        )
        checkpoints = stack.enter_context(
            closing(Checkpoints(recipe.run_directory / "checkpoints", identity, recipe.checkpoint, ranks))
        )
        if is_result_of(recipe.out, identity):
            _say(ranks, f"{recipe.out}: is already the result of this recipe on these windows")
        else:
            checkpoints.latest()  # refuses another run's checkpoints before the weights are read
            run = set_up(recipe, ranks, inputs, checkpoints)
            if not fit(run):
                return 0
            checkpoints.wait()
            best = checkpoints.load_best(run.trainee)
            write(replace(run, progress=best) if best else run)
        if ranks.is_first:
            checkpoints.remove()
    return 0


@dataclass(frozen=True)
class Run:
    """A run that is ready to go, and how far it is."""

    recipe: Recipe
    ranks: Ranks
    inputs: Inputs
    trainee: Trainee
    optimizer: torch.optim.Optimizer
    order: Order
    steps: int
    checkpoints: Checkpoints
    progress: Progress
    attention: str


def set_up(recipe: Recipe, ranks: Ranks, inputs: Inputs, checkpoints: Checkpoints) -> Run:
    """Load and share out the weights, and go back to the last checkpoint if there is one."""
    torch.manual_seed(recipe.seed)  # each rank makes the same adapters, and keeps its share
    trainee, attention = load(recipe, ranks.device, stop_ids=inputs.encoder.stop_ids)
    shard(
        trainee,
        compute_dtype=compute_dtype(recipe.model, ranks.device),
        ranks=ranks,
        replicas=recipe.parallel.replicas,
    )
    optimizer = adamw(trainee, recipe.optimizer)
    progress = checkpoints.resume(trainee, optimizer)
    count = len(inputs.windows)
    steps = total_steps(recipe.schedule, windows=count, windows_per_step=recipe.batch.windows_per_step)
    dtype = checkpoints.identity["model.compute_dtype"]
    _say(ranks, f"{ranks.world_size} rank(s) on {ranks.device.type} in {dtype}; attention: {attention}")
    _say(
        ranks,
        f"{count} windows, {recipe.batch.windows_per_step} a step, {steps} steps"
        + (f"; going on after step {progress.step}" if progress else ""),
    )
    return Run(
        recipe=recipe,
        ranks=ranks,
        inputs=inputs,
        trainee=trainee,
        optimizer=optimizer,
        order=Order(count, recipe.data.seed, recipe.batch.windows_per_step, recipe.batch.windows_per_micro_batch),
        steps=steps,
        checkpoints=checkpoints,
        progress=progress or Progress(),
        attention=attention,
    )


def fit(run: Run) -> bool:
    """Take the steps that are left. Returns False where SIGTERM stopped the run after a checkpoint."""
    recipe, progress = run.recipe, run.progress
    with ExitStack() as stack:
        stopped = stack.enter_context(sigterm())
        collect_garbage = stack.enter_context(garbage_by_hand())
        metrics = None
        if run.ranks.is_first:
            stack.callback(_report, run)  # also of a run that is stopped or fails
            metrics = stack.enter_context(Metrics(recipe.run_directory, first_step=progress.step, steps=run.steps))
        if progress.step == 0:
            _validate(run, metrics)
        for step in range(progress.step, run.steps):
            figures = _take_step(run, step)
            if metrics:
                metrics.show_step(step + 1, figures)
            is_last = step + 1 == run.steps
            if is_last or _is_due(step + 1, recipe.validation.every):
                _validate(run, metrics)
            stop = run.ranks.sum(float(stopped()))[0] > 0
            if stop or _is_due(step + 1, recipe.checkpoint.every) or (is_last and recipe.checkpoint.every > 0):
                path = run.checkpoints.save(run.trainee, run.optimizer, progress)
            collect_garbage(step + 1)
            if stop and not is_last:
                run.checkpoints.wait()
                _say(run.ranks, f"stopped by SIGTERM after {path}; the same command goes on from there")
                return False
    return True


def _report(run: Run) -> None:
    """Write the run's page, with what there is."""
    step, recipe = run.progress.step, run.recipe
    path = write_report(
        recipe.run_directory,
        title=f"{recipe.model.path} on {recipe.data.path}",
        state="finished" if step == run.steps else f"stopped after step {step} of {run.steps}",
        summary=run.progress.summary(),
        recipe=recipe.as_dict(),
        manifest=run.inputs.manifest,
        setting={"device": run.ranks.device.type, "ranks": str(run.ranks.world_size), "attention": run.attention},
    )
    say(f"the run as a page: {path}")


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _take_step(run: Run, step: int) -> dict[str, float]:
    """One optimizer step (counted from 0) with its figures; adds it to the run's progress."""
    recipe, started = run.recipe, time.perf_counter()
    rate = learning_rate(step, steps=run.steps, peak=recipe.optimizer.lr, schedule=recipe.schedule)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    rows = run.order.step(step, rank=run.ranks.rank, world_size=run.ranks.world_size)
    batches = [run.inputs.windows.take(row) for row in rows]
    taken = train_step(
        run.trainee,
        run.optimizer,
        batches,
        max_grad_norm=recipe.optimizer.max_grad_norm,
        ranks=run.ranks,
        seed=recipe.seed,
        step=step,
        last_good=run.checkpoints.latest(),
    )
    seconds = time.perf_counter() - started
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
    }


def _validate(run: Run, metrics: Metrics | None) -> None:
    """Held-out loss and accuracy, into the run's figures; those of the base model stay as ``before_held_out_loss``."""
    limit = run.recipe.validation.windows
    held_out = validate(run.trainee, run.inputs.held_out, limit=limit, ranks=run.ranks)
    if held_out is None:
        return
    figures = {"held_out_loss": held_out.loss, "held_out_accuracy": held_out.accuracy}
    run.progress.figures |= figures
    run.progress.held_out_step = run.progress.step
    if run.progress.step == 0:
        run.progress.figures |= {f"before_{name}": value for name, value in figures.items()}
    if metrics:
        metrics.record(run.progress.step, figures)
        metrics.say(
            f"held-out loss {held_out.loss:.4f}, token accuracy {held_out.accuracy:.1%} "
            f"({held_out.supervised_tokens} tokens, after step {run.progress.step})"
        )


def write(run: Run) -> None:
    """Write the model directory with the record of how it came to be."""
    inputs, progress = run.inputs, run.progress
    record = {
        "fingerprint": asdict(inputs.encoder.fingerprint),
        "template": inputs.manifest["template"],
        "data": inputs.manifest,
        "recipe": run.recipe.as_dict(),
        "identity": run.checkpoints.identity,
        "figures": progress.summary(),
    }
    export(
        run.trainee,
        run.recipe.out,
        config=inputs.config,
        tokenizer=inputs.tokenizer,
        encoder=inputs.encoder,
        record=record,
        ranks=run.ranks,
    )
    _say(run.ranks, f"wrote {run.recipe.out} (metrics in {run.recipe.run_directory})")


def _say(ranks: Ranks, line: str) -> None:
    if ranks.is_first:
        say(line)
