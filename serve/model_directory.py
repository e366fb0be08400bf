"""What is to be served: a model directory, looked at before anything heavy starts, or a name on the hub."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from templates import InputError

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class ServedModel:
    """A model to serve: what vLLM is given, the name that clients use, and its `config.json` (empty for a hub name)."""

    path: str
    name: str
    config: dict[str, Any]

    @property
    def directory(self) -> Path | None:
        """The directory, or None for a name on the hub."""
        return Path(self.path) if self.config else None


def look_at(model: str) -> ServedModel:
    """A model that can be served. Raises InputError that names the file which is missing, and the next step."""
    directory = Path(model)
    if not directory.exists() and _HUB_NAME.fullmatch(model):
        return ServedModel(path=model, name=model.split("/")[1], config={})
    if not directory.exists():
        raise InputError(f"{model}: there is no such directory; `chaku train` writes one")
    if not directory.is_dir():
        raise InputError(f"{model}: is not a directory; give the model's directory, not a file in it")
    config = _read_config(directory)
    _check_weights(directory)
    _check_tokenizer(directory)
    return ServedModel(path=str(directory), name=directory.resolve().name, config=config)


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "config.json"
    if not path.is_file():
        raise InputError(f"{path}: missing; {directory} is not a model directory (`chaku train` writes one)")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); write the model again") from error
    if not isinstance(config, dict) or not config:
        raise InputError(f"{path}: not a model's configuration; write the model again")
    return config


def _check_weights(directory: Path) -> None:
    if any(directory.glob("*.safetensors")):
        return
    if any(directory.glob("*.bin")):
        raise InputError(
            f"{directory}: its weights are pickled (.bin), which can run code; convert them to safetensors first"
        )
    raise InputError(f"{directory}: no weights (*.safetensors); training did not finish, or the copy is incomplete")


def _check_tokenizer(directory: Path) -> None:
    if not (directory / "tokenizer.json").is_file():
        raise InputError(
            f"{directory / 'tokenizer.json'}: missing; copy the tokenizer's files into the model directory"
        )
    settings = directory / "tokenizer_config.json"
    inline = settings.is_file() and "chat_template" in settings.read_text(encoding="utf-8")
    if not inline and not (directory / "chat_template.jinja").is_file():
        raise InputError(
            f"{directory / 'chat_template.jinja'}: missing, so nobody knows how to put a question to this model; "
            "`chaku train` with `--schedule.max_steps 0` writes the model with a template"
        )
