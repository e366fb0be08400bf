"""W&B and trackio, by flag: the same figures as in metrics.jsonl, sent where the recipe says."""

import importlib
import importlib.util
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from templates.errors import InputError
from train.recipe import Tracking

NAME_FILE = "tracking.json"


class Tracker:
    """A run of W&B or of trackio, whose functions have the same names."""

    def __init__(self, recipe: Tracking, directory: Path, *, resumed: bool, config: Mapping[str, Any]) -> None:
        service = importlib.import_module(recipe.service)
        name = _name(directory, resumed=resumed)
        given = {"project": recipe.project, "name": name, "config": dict(config), "resume": "allow"}
        if recipe.service == "wandb":
            given |= {"id": name, "dir": str(directory)}
        self._run = service.init(**given)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Send figures of a step."""
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


def refuse_missing(recipe: Tracking) -> None:
    """Raise InputError where the service's package is not installed."""
    if recipe.service != "none" and importlib.util.find_spec(recipe.service) is None:
        raise InputError(
            f"--tracking.service {recipe.service} needs the package {recipe.service}; "
            f"run `pip install 'chaku[{recipe.service}]'`, or leave it out"
        )


def _name(directory: Path, *, resumed: bool) -> str:
    """The run's name there: one of its own, which a resumed run keeps."""
    path = directory / NAME_FILE
    if not (resumed and path.is_file()):
        name = f"{directory.name.removesuffix('.run')}-{uuid.uuid4().hex[:8]}"
        path.write_text(json.dumps({"name": name}), encoding="utf-8")
    return str(json.loads(path.read_text(encoding="utf-8"))["name"])
