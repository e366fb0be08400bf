"""`chaku train --dry-run`: in a minute, try each thing that a run needs, down to the reply of the saved model."""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from rich.console import Console
from rich.table import Table
from transformers.utils import logging as transformers_logging

from data_tools.atomic import refuse_foreign
from templates.errors import InputError
from train.checkpoint import Checkpoints, identity_of
from train.dry_run_checks import check_gradient, check_reloaded, check_supervision, watched_gradient
from train.export import MARKER, export
from train.inputs import Inputs, read_inputs
from train.memory import Memory, empty_model, estimate, in_gigabytes, out_of_memory, refuse_too_large, shapes_of
from train.model import compute_dtype, saved_dtype
from train.parallel import Ranks, process_group
from train.recipe import Recipe, check
from train.run import Run, record_of, set_up, take_step

_LONG_STEP_SECONDS = 10.0


@dataclass
class Findings:
    """What the dry run has found so far, as rows of a table."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, value: str) -> None:
        """One more row."""
        self.rows.append((name, value))

    def show(self) -> None:
        """Print the table, also of a dry run that has failed half way."""
        table = Table("dry run", "found", title_justify="left")
        for name, value in self.rows:
            table.add_row(name, value)
        Console(markup=False, highlight=False).print(table)


def dry_run(recipe: Recipe) -> int:
    """Try a recipe without leaving anything behind. Returns 0 where all works; raises InputError where it does not."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    findings = Findings()
    # an end by SIGTERM, too, leaves nothing behind
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with ExitStack() as stack:
        ranks = stack.enter_context(process_group())
        check(recipe, world_size=ranks.world_size)
        refuse_foreign(recipe.out, marker=MARKER)
        inputs = read_inputs(recipe)
        if ranks.is_first:
            stack.callback(findings.show)
        memory = _look_at_sizes(recipe, inputs, ranks, findings)
        scratch = stack.enter_context(_scratch(recipe.out, ranks))
        dtype = compute_dtype(recipe.model, ranks.device)
        identity = identity_of(recipe, data="", model="", compute_dtype=dtype)
        checkpoints = stack.enter_context(closing(Checkpoints(scratch, identity, recipe.checkpoint, ranks)))
        try:
            run = set_up(recipe, ranks, inputs, checkpoints)
            _try_steps(run, findings)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(recipe, memory, ranks=ranks) from error
        _try_saving(run, scratch, findings)
        findings.add("verdict", "ready: the same command without --dry-run trains")
    return 0


def _look_at_sizes(recipe: Recipe, inputs: Inputs, ranks: Ranks, findings: Findings) -> Memory:
    """Parameters, memory by what holds it, and room on the disk, from shapes alone."""
    shapes = shapes_of(empty_model(recipe, inputs.config))
    findings.add("parameters", f"{shapes.weights:,}, of which {shapes.trained:,} are trained")
    tokens = int(inputs.manifest["window"]) * recipe.batch.windows_per_micro_batch
    memory = estimate(recipe, shapes, tokens=tokens, ranks=ranks)
    parts = sorted(memory.parts.items(), key=lambda part: -part[1])
    findings.add(
        "memory per device, estimated",
        f"{in_gigabytes(memory.total)}, most of it {memory.largest}: "
        + ", ".join(f"{name} {in_gigabytes(size)}" for name, size in parts),
    )
    refuse_too_large(recipe, memory, ranks=ranks)
    states = shapes.trained * 4 + memory.parts["optimizer"] * ranks.world_size / recipe.parallel.replicas
    model = (shapes.trained * 4) if recipe.lora.rank else shapes.weights * saved_dtype(inputs.config).itemsize
    _refuse_small_disk(recipe, states, model, findings)
    return memory


def _refuse_small_disk(recipe: Recipe, states: float, model: float, findings: Findings) -> None:
    """Raise InputError where the model and the checkpoints, one being written beside those kept, are too much."""
    copies = recipe.checkpoint.keep + 1 + recipe.checkpoint.keep_best
    needed = copies * states + model
    place = next(folder for folder in recipe.out.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    findings.add(
        "disk",
        f"{in_gigabytes(needed)} for {copies} checkpoints of {in_gigabytes(states)} and a model of "
        f"{in_gigabytes(model)}; {in_gigabytes(free)} are free",
    )
    if needed > free:
        raise InputError(
            f"--out {recipe.out}: checkpoints and model need {in_gigabytes(needed)} there and {in_gigabytes(free)} are "
            "free; free some space, choose another --out, or keep fewer with --checkpoint.keep 1"
        )


@contextmanager
def _scratch(out: Path, ranks: Ranks) -> Iterator[Path]:
    """A directory for what the dry run writes, on the disk that the run would use; gone afterwards."""
    place: list[str] = [""]
    with ExitStack() as stack:
        if ranks.is_first:
            out.absolute().parent.mkdir(parents=True, exist_ok=True)
            prefix = f".{out.name}.dry-run-"
            place = [stack.enter_context(tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=prefix))]
        dist.broadcast_object_list(place, src=0, device=ranks.device)
        yield Path(place[0])


def _try_steps(run: Run, findings: Findings) -> None:
    """One real packed step, or two where they are short, and what a whole run takes at that speed."""
    recipe, batches = run.recipe, run.batches(0)
    findings.add("supervision", check_supervision(batches[0], run.inputs.encoder))
    with watched_gradient(run.trainee) as states:
        figures = take_step(run, 0, batches[:1])
    findings.add("gradient", check_gradient(states[0], batches[0]))
    if figures["seconds"] < _LONG_STEP_SECONDS:  # the first also warms up
        figures = take_step(run, 0, batches[:1])
    seconds = figures["seconds"] * len(batches)
    total = timedelta(seconds=round(seconds * run.steps))
    windows = f"{recipe.batch.windows_per_step} of {len(run.inputs.windows):,} windows"
    findings.add("steps", f"{run.steps:,}, each of {windows}")
    findings.add("time, estimated", f"{total} at {seconds:.2f} s a step, validation and checkpoints not counted")
    findings.add(
        "one packed micro-batch",
        f"loss {figures['loss']:.4f}, {figures['tokens_per_second']:,.0f} tokens/s "
        f"({figures['supervised_tokens_per_second']:,.0f} supervised), MFU {figures['mfu']:.0%}",
    )
    findings.add("memory per device, measured", f"{in_gigabytes(figures['memory_bytes'])} at most")


def _try_saving(run: Run, scratch: Path, findings: Findings) -> None:
    """A checkpoint and the model, written where the run would write them, and the model read back."""
    started = time.perf_counter()
    path = run.checkpoints.save(run.trainee, run.optimizer, run.progress)
    run.checkpoints.wait()
    findings.add("checkpoint", f"{in_gigabytes(_size(path))} written in {time.perf_counter() - started:.1f} s")
    model, started = scratch / "model", time.perf_counter()
    inputs = run.inputs
    export(
        run.trainee,
        model,
        config=inputs.config,
        tokenizer=inputs.tokenizer,
        encoder=inputs.encoder,
        record=record_of(run),
        ranks=run.ranks,
    )
    findings.add("model", f"{in_gigabytes(_size(model))} written in {time.perf_counter() - started:.1f} s")
    for name, value in check_reloaded(run, model).items():
        findings.add(name, value)


def _size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
