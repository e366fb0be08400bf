"""LoRA adapters that are served beside their base model, each under its own name."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from templates import InputError

# vLLM knows these ranks alone; an adapter of another rank is served with the next.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


class Adapter(NamedTuple):
    """An adapter: the name that clients use, its directory, and the rank that vLLM makes room for."""

    name: str
    path: Path
    rank: int


def look_at_adapters(assignments: Sequence[str]) -> list[Adapter]:
    """NAME=DIRECTORY each. Raises InputError that names the file which is missing, and the next step."""
    adapters = [_look_at(assignment) for assignment in assignments]
    names = [adapter.name for adapter in adapters]
    if len(set(names)) < len(names):
        raise InputError(f"--adapter: two have one name ({', '.join(names)}); give each its own")
    return adapters


def _look_at(assignment: str) -> Adapter:
    name, _, path = assignment.partition("=")
    if not re.fullmatch(r"[\w.-]+", name) or not path:
        raise InputError(f"--adapter {assignment}: give it as NAME=DIRECTORY, as in --adapter pirate=adapters/pirate")
    config = Path(path) / "adapter_config.json"
    if not config.is_file():
        raise InputError(f"{config}: missing; {path} is not the directory of an adapter (`chaku train` writes one)")
    if not (Path(path) / "adapter_model.safetensors").is_file():
        raise InputError(f"{Path(path) / 'adapter_model.safetensors'}: missing; copy the whole adapter")
    try:
        rank = int(json.loads(config.read_text(encoding="utf-8"))["r"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{config}: not the configuration of a LoRA adapter; write the adapter again") from error
    room = next((size for size in _RANKS if size >= rank), None)
    if room is None:
        raise InputError(f"{config}: rank {rank}, but vLLM serves at most {_RANKS[-1]}; merge it: `chaku train merge`")
    return Adapter(name, Path(path), room)
