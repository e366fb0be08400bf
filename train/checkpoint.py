"""Checkpoints of a run, from which a killed run goes on as if nothing had happened.

OUT.run/checkpoints/step-000020/ holds the weights that are trained and the optimizer's state (written by all ranks
through `torch.distributed.checkpoint`, readable by another number of ranks), and `progress.json` with the step. The
learning rate, the windows and the random draws of a step follow from the step alone.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from data_tools.atomic import whole_directory
from templates.errors import InputError
from train.model import Trainee
from train.parallel import Ranks
from train.recipe import Recipe

PROGRESS = "progress.json"
_TRAINED_ONLY = StateDictOptions(ignore_frozen_params=True)


@dataclass
class Progress:
    """How far a run is: finished steps, and what they took in all. `figures` holds losses by name."""

    step: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)

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


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run. `identity` says what decides its result; see `identity_of`."""

    directory: Path
    identity: dict[str, str]
    keep: int
    ranks: Ranks

    def save(self, trainee: Trainee, optimizer: torch.optim.Optimizer, progress: Progress) -> Path:
        """Write a checkpoint (all ranks call this), then drop all but the latest `keep`."""
        target = self.directory / f"step-{progress.step:06d}"
        if self.ranks.is_first:
            with whole_directory(target, marker=PROGRESS) as temporary:
                self._save_into(temporary, trainee, optimizer)
                whole = {"identity": self.identity, "progress": asdict(progress)}
                (temporary / PROGRESS).write_text(json.dumps(whole, indent=1), encoding="utf-8")
            for old in self._steps()[: -self.keep]:
                shutil.rmtree(old)
        else:
            self._save_into(None, trainee, optimizer)
        dist.barrier()
        return target

    def _save_into(self, temporary: Path | None, trainee: Trainee, optimizer: torch.optim.Optimizer) -> None:
        place = [temporary]
        dist.broadcast_object_list(place, src=0, device=self.ranks.device)
        save(_state(trainee, optimizer), checkpoint_id=place[0])

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
                f"give another --out, or remove {self.directory.parent} to start over"
            )
        return steps[-1]

    def resume(self, trainee: Trainee, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Load the last checkpoint in place, if there is one; returns how far it was."""
        path = self.latest()
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
        return Progress(**json.loads((path / PROGRESS).read_text(encoding="utf-8"))["progress"])

    def remove(self) -> None:
        """Drop all checkpoints: the model is written."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _steps(self) -> list[Path]:
        return sorted(path.parent for path in self.directory.glob(f"step-*/{PROGRESS}"))


def _state(trainee: Trainee, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    model, optimizer_state = get_state_dict(trainee, optimizer, options=_TRAINED_ONLY)
    # the option forgets a tied weight's second name
    trained = {name for name, weight in trainee.named_parameters(remove_duplicate=False) if weight.requires_grad}
    return {"model": {name: weight for name, weight in model.items() if name in trained}, "optimizer": optimizer_state}


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
        "seed": str(recipe.seed),
        "the windows": data,
        "the base model": model,
    }
