"""A training run: set up, fit, validate, write the model."""

from contextlib import ExitStack, closing
from dataclasses import replace

import torch
from transformers.utils import logging as transformers_logging

from data_tools.atomic import refuse_foreign
from train.checkpoint import Checkpoints, identity_of
from train.export import MARKER, export, is_result_of, one_line_for_a_full_disk
from train.inputs import digest_of_data, digest_of_model, read_inputs
from train.interrupts import garbage_by_hand, told_to_stop
from train.lock import only_run
from train.memory import memory_of, out_of_memory, refuse_too_large
from train.metrics import Metrics, say
from train.model import compute_dtype
from train.parallel import process_group
from train.recipe import Recipe, check
from train.report import write_report
from train.run import Run, evaluate, record_of, say_once, set_up, take_step
from train.tracking import Tracker, refuse_missing


def train(recipe: Recipe) -> int:
    """Train by a recipe. Returns 0 when the model is written, or when a signal stopped the run with a checkpoint."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with ExitStack() as stack:
        ranks = stack.enter_context(process_group())
        check(recipe, world_size=ranks.world_size)
        refuse_missing(recipe.tracking)
        refuse_foreign(recipe.out, marker=MARKER)
        inputs = read_inputs(recipe)
        identity = identity_of(
            recipe,
            data=digest_of_data(recipe),
            model=digest_of_model(recipe, inputs.config),
            compute_dtype=compute_dtype(recipe.model, ranks.device),
        )
        is_written = is_result_of(recipe.out, identity)
        memory = memory_of(recipe, inputs.config, window=int(inputs.manifest["window"]), ranks=ranks)
        if not is_written:
            refuse_too_large(recipe, memory, ranks=ranks)
        stack.enter_context(only_run(recipe.run_directory, ranks))
        checkpoints = stack.enter_context(
            closing(Checkpoints(recipe.run_directory / "checkpoints", identity, recipe.checkpoint, ranks))
        )
        if is_written:
            say_once(ranks, f"{recipe.out}: is already the result of this recipe on these windows")
        else:
            checkpoints.latest()  # refuses another run's checkpoints before the weights are read
            try:
                run = set_up(recipe, ranks, inputs, checkpoints)
                with one_line_for_a_full_disk(recipe.run_directory):
                    finished = fit(run)
            except torch.OutOfMemoryError as error:
                raise out_of_memory(recipe, memory, ranks=ranks) from error
            if not finished:
                return 0
            checkpoints.wait()
            best = checkpoints.load_best(run.trainee)
            write(replace(run, progress=best) if best else run)
        if ranks.is_first:
            checkpoints.remove()
    return 0


def fit(run: Run) -> bool:
    """Take the steps that are left. Returns False where a signal stopped the run after a checkpoint."""
    recipe, progress = run.recipe, run.progress
    with ExitStack() as stack:
        stopped = stack.enter_context(told_to_stop())
        collect_garbage = stack.enter_context(garbage_by_hand())
        metrics = None
        if run.ranks.is_first:
            stack.callback(_report, run)  # also of a run that is stopped or fails
            metrics = stack.enter_context(_metrics(run))
        if progress.step == 0:
            evaluate(run, metrics)
        for step in range(progress.step, run.steps):
            figures = take_step(run, step, run.batches(step))
            if metrics:
                metrics.show_step(step + 1, figures)
            is_last = step + 1 == run.steps
            stop = run.ranks.sum(float(stopped() is not None))[0] > 0
            if is_last or (_is_due(step + 1, recipe.validation.every) and not stop):  # a notice leaves little time
                evaluate(run, metrics)
            if stop or _is_due(step + 1, recipe.checkpoint.every) or (is_last and recipe.checkpoint.every > 0):
                path = run.checkpoints.save(run.trainee, run.optimizer, progress)
            collect_garbage(step + 1)
            if stop and not is_last:
                run.checkpoints.wait()
                say_once(
                    run.ranks,
                    f"stopped by {stopped() or 'another rank'} after {path}; the same command goes on from there",
                )
                return False
    return True


def _metrics(run: Run) -> Metrics:
    recipe, step = run.recipe, run.progress.step
    recipe.run_directory.mkdir(parents=True, exist_ok=True)
    tracker = None
    if recipe.tracking.service != "none":
        tracker = Tracker(recipe.tracking, recipe.run_directory, resumed=step > 0, config=recipe.as_dict())
    return Metrics(recipe.run_directory, first_step=step, steps=run.steps, tracker=tracker)


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


def write(run: Run) -> None:
    """Write the model directory with the record of how it came to be."""
    inputs = run.inputs
    export(
        run.trainee,
        run.recipe.out,
        config=inputs.config,
        tokenizer=inputs.tokenizer,
        encoder=inputs.encoder,
        record=record_of(run),
        ranks=run.ranks,
    )
    say_once(run.ranks, f"wrote {run.recipe.out} (metrics in {run.recipe.run_directory})")
