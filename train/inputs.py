"""What a run reads: windows, base model and tokenizer, refused where they do not fit each other."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, PreTrainedTokenizerBase

import templates
from templates.errors import InputError
from templates.loading import load_tokenizer
from train.data import Windows, read_manifest
from train.model import read_config
from train.recipe import Recipe
from train.rope import context_length, scaled


@dataclass(frozen=True)
class Inputs:
    """The windows of both parts with their manifest, and the base model's config and tokenizer."""

    manifest: dict[str, Any]
    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase
    encoder: templates.Encoder
    windows: Windows
    held_out: Windows


def read_inputs(recipe: Recipe) -> Inputs:
    """Read and check everything but the weights. Raises InputError with the numbers and the next step."""
    manifest = read_manifest(recipe.data.path)
    _check_model_path(recipe.model.path)
    config = scaled(read_config(recipe.model.path), recipe.rope)
    tokenizer = load_tokenizer(recipe.model.path)
    encoder = templates.Encoder(templates.load(manifest["template"], tokenizer), tokenizer)
    _check_fingerprint(recipe, manifest, encoder.fingerprint)
    windows, held_out = Windows(recipe.data.path / "train"), Windows(recipe.data.path / "held_out")
    _check_windows(recipe, windows, config)
    return Inputs(manifest, config, tokenizer, encoder, windows, held_out)


def _check_model_path(path: str) -> None:
    """Refuse a misspelt directory at once: the hub, asked for a model of that name, is waited for half a minute."""
    is_a_path = path.startswith((".", "/", "~")) or path.endswith("/") or path.count("/") > 1
    if is_a_path and not Path(path).is_dir():
        raise InputError(f"{path}: there is no such directory; give --model.path a Hugging Face directory or hub name")


def _check_fingerprint(recipe: Recipe, manifest: dict[str, Any], ours: templates.Fingerprint) -> None:
    found = templates.Fingerprint(**manifest["fingerprint"])
    if found.digest != ours.digest:
        differing = " and ".join(found.differences(ours)) or "contents"
        raise InputError(
            f"{recipe.data.path}: its windows were made with another {differing} than {recipe.model.path} has now; "
            f"run `chaku data prepare ... --model {recipe.model.path} --template {manifest['template']}` again"
        )


def _check_windows(recipe: Recipe, windows: Windows, config: PretrainedConfig) -> None:
    if len(windows) == 0:
        raise InputError(
            f"{recipe.data.path / 'train'}: has no windows; run `chaku data prepare` on more conversations"
        )
    longest, context = windows.longest_document(), context_length(config)
    if longest > context:
        raise InputError(
            f"{recipe.data.path}: a document has {longest} tokens and {recipe.model.path} reads at most {context}; run "
            f"`chaku data prepare ... --window {context}`, or scale its positions with --rope.type linear "
            f"--rope.factor {math.ceil(longest / context * recipe.rope.factor)}"
        )
    if windows.largest_id() >= config.vocab_size:
        raise InputError(
            f"{recipe.data.path}: has token id {windows.largest_id()} and {recipe.model.path} has only "
            f"{config.vocab_size} tokens; its tokenizer and its weights do not belong together"
        )


def digest_of_data(recipe: Recipe) -> str:
    """A short digest of the manifest, which names the dumps, the options and the counts."""
    return hashlib.sha256((recipe.data.path / "manifest.json").read_bytes()).hexdigest()[:16]


def digest_of_model(recipe: Recipe, config: PretrainedConfig) -> str:
    """A short digest of the base model's config and of its files' sizes (reading 13 GB of weights takes a minute)."""
    files = sorted((file.name, file.stat().st_size) for file in Path(recipe.model.path).glob("*.safetensors"))
    return hashlib.sha256(json.dumps([config.to_dict(), files], sort_keys=True).encode()).hexdigest()[:16]
