"""Checkpoints of a run, from which a killed run goes on as if nothing had happened.

OUT.run/checkpoints/step-000020/ holds the weights that are trained and the optimizer's state (written by all ranks
through `torch.distributed.checkpoint`, readable by another number of ranks), and `progress.json` with the step. The
learning rate, the windows and the random draws of a step follow from the step alone.
"""

import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load

from data_tools.atomic import whole_directory
from templates.errors import InputError
from train.metrics import say
from train.model import Trainee
from train.parallel import Ranks
from train.recipe import Checkpoint, Recipe
from train.writing import begin_writing, wait_until_written

PROGRESS, INDEX = "progress.json", ".metadata"
_TRAINED_ONLY = StateDictOptions(ignore_frozen_params=True)


@dataclass
class Progress:
    """How far a run is: finished steps, and what they took in all. `figures` holds losses by name.

    The held-out loss is that of the weights after `held_out_step`.
    """

    step: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    held_out_step: int | None = None

    @property
    def held_out_loss(self) -> float | None:
        """The held-out loss of just these weights, where it was measured."""
        return self.figures.get("held_out_loss") if self.held_out_step == self.step else None

    def summary(self) -> dict[str, float]:
        """The final figures: steps, tokens, speed, and the last losses."""
        seconds = max(self.seconds, 1e-9)
        return {
            "steps": self.step,
            "tokens": self.tokens,
            "supervised_tokens": self.supervised_tokens,
            "seconds": self.seconds,
            "tokens_per_second": self.tokens / seconds,
            "supervised_tokens_per_second": self.supervised_tokens / seconds,
            **self.figures,
        }


class Checkpoints:
    """The checkpoints of one run, written in the background. `identity` says what decides its result."""

    def __init__(self, directory: Path, identity: dict[str, str], recipe: Checkpoint, ranks: Ranks) -> None:
        self.identity = identity
        self._directory, self._recipe, self._ranks = directory, recipe, ranks
        # the writing threads of all ranks talk to one another while the main ones train: a group of their own
        self._group = dist.new_group(backend="gloo")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def save(self, trainee: Trainee, optimizer: torch.optim.Optimizer, progress: Progress) -> Path:
        """Copy what is trained and begin to write it (all ranks call this); training may go on at once.

        Raises InputError where the checkpoint before could not be written.
        """
        self.wait()
        target = self._directory / f"step-{progress.step:06d}"
        with ExitStack() as stack:
            place: list[Path | None] = [None]
            if self._ranks.is_first:
                place = [stack.enter_context(whole_directory(target, marker=PROGRESS))]
            dist.broadcast_object_list(place, src=0, device=self._ranks.device)
            writing = begin_writing(_state(trainee, optimizer), place[0], group=self._group)
            whole = {"identity": self.identity, "progress": asdict(progress)}
            self._pending = self._thread.submit(self._finish, writing, stack.pop_all(), place[0], whole)
        return target

    def _finish(self, writing: Any, stack: ExitStack, place: Path | None, whole: dict[str, Any]) -> None:  # noqa: ANN401
        """Wait until all ranks have written; the first then renames the directory and drops old ones."""
        with stack:
            wait_until_written(writing)
            if self._ranks.is_first and place:
                (place / PROGRESS).write_text(json.dumps(whole, indent=1), encoding="utf-8")
        if self._ranks.is_first:
            self._drop_old()

    def wait(self) -> None:
        """Until the last checkpoint is whole. Raises InputError, with the last good one, where the disk was full."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            pending.result()
        except InputError as error:
            last = [str(path) for path in self._steps()] or ["none yet"]
            whole = f"the last good checkpoint is {last[-1]}, from which the same command goes on"
            raise InputError(f"{error} ({whole})") from error
        dist.barrier()

    def close(self) -> None:
        """End the writing thread; a run that fails lets the checkpoint be written to its end."""
        self._thread.shutdown()

    def latest(self) -> Path | None:
        """The last whole checkpoint. Raises InputError where it belongs to another recipe, naming what differs."""
        steps = self._steps()
        if not steps:
            return None
        found = json.loads((steps[-1] / PROGRESS).read_text(encoding="utf-8"))["identity"]
        differing = sorted(key for key in found | self.identity if found.get(key) != self.identity.get(key))
        if differing:
            details = ", ".join(f"{key} was {found.get(key)}, is {self.identity.get(key)}" for key in differing[:3])
            raise InputError(
                f"{steps[-1]}: is of another run ({details}); "
                f"give another --out, or remove {self._directory.parent} to start over"
            )
        return steps[-1]

    def last_good(self) -> Path | None:
        """The last whole checkpoint, with the one that is being written now (all ranks call this)."""
        self.wait()
        return self.latest()

    def resume(self, trainee: Trainee, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Load the last checkpoint in place, if there is one; returns how far it was."""
        path = self.latest()
        if self._ranks.is_first:
            for broken in sorted(
                {mark.parent for mark in self._directory.glob(f"step-*/{PROGRESS}")} - {*self._steps()}
            ):
                say(f"{broken}: is not whole, some of its files are missing or cut; it is left out")
        if path is None:
            return None
        state = _state(trainee, optimizer)
        load(state, checkpoint_id=path)
        set_state_dict(
            trainee,
            optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=StateDictOptions(strict=False),
        )
        return _progress(path)

    def load_best(self, trainee: Trainee) -> Progress | None:
        """Load the weights with the lowest held-out loss, where the recipe keeps them; returns how far they were."""
        best = self._best()
        if best is None:
            return None
        state = {"model": _trained(trainee)}
        load(state, checkpoint_id=best)
        set_model_state_dict(trainee, state["model"], options=StateDictOptions(strict=False))
        return _progress(best)

    def remove(self) -> None:
        """Drop all checkpoints: the model is written."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _steps(self) -> list[Path]:
        """The whole checkpoints, the last one last."""
        return sorted(mark.parent for mark in self._directory.glob(f"step-*/{PROGRESS}") if _is_whole(mark.parent))

    def _best(self) -> Path | None:
        """The checkpoint with the lowest held-out loss of its own, the first of equals."""
        if not self._recipe.keep_best:
            return None
        losses = {path: _progress(path).held_out_loss for path in self._steps()}
        measured = {path: loss for path, loss in losses.items() if loss is not None}
        return min(measured, key=lambda path: measured[path]) if measured else None

    def _drop_old(self) -> None:
        best = self._best()
        for old in self._steps()[: -self._recipe.keep]:
            if old != best:
                shutil.rmtree(old)


def _is_whole(path: Path) -> bool:
    """Whether all files are there in the lengths that the index names.

    On a disk they are, since the directory is renamed last; but a mounted bucket gets them one by one, and lacks those
    that a lost machine had not sent yet.
    """
    if not (path / INDEX).is_file():
        return False
    ends: dict[str, int] = {}
    for place in FileSystemReader(path).read_metadata().storage_data.values():
        ends[place.relative_path] = max(ends.get(place.relative_path, 0), place.offset + place.length)
    sizes = {file.name: file.stat().st_size for file in path.iterdir()}
    return all(sizes.get(name, 0) >= end for name, end in ends.items())


def _progress(path: Path) -> Progress:
    return Progress(**json.loads((path / PROGRESS).read_text(encoding="utf-8"))["progress"])


def _state(trainee: Trainee, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {
        "model": _trained(trainee),
        "optimizer": get_optimizer_state_dict(trainee, optimizer, options=_TRAINED_ONLY),
    }


def _trained(trainee: Trainee) -> dict[str, Any]:
    """The weights that are trained; the option alone forgets that a tied weight has a second name."""
    trained = {name for name, weight in trainee.named_parameters(remove_duplicate=False) if weight.requires_grad}
    state = get_model_state_dict(trainee, options=_TRAINED_ONLY)
    return {name: weight for name, weight in state.items() if name in trained}


def identity_of(recipe: Recipe, *, data: str, model: str, compute_dtype: torch.dtype) -> dict[str, str]:
    """What decides a run's result, by name: the recipe's values, and digests of the windows and the base model.

    Paths are left out, so that a run may move to another machine; so are the values that only watch it.
    """
    values = recipe.as_dict()
    sections = ("batch", "optimizer", "schedule", "data", "model", "rope", "lora")
    named = {f"{section}.{name}": str(value) for section in sections for name, value in values[section].items()}
    return {
        **{name: value for name, value in named.items() if not name.endswith(".path")},
        "model.compute_dtype": str(compute_dtype).removeprefix("torch."),  # what auto came to on this machine
        "checkpoint.keep_best": str(recipe.checkpoint.keep_best),
        "seed": str(recipe.seed),
        "the windows": data,
        "the base model": model,
    }
