"""An adapter and its base model, made into one plain model directory that needs neither PEFT nor the base."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from data_tools.atomic import refuse_foreign, whole_directory
from templates.errors import InputError
from templates.loading import load_encoder, load_tokenizer
from train.export import MARKER, one_line_for_a_full_disk, write_companions
from train.lora import CONFIG
from train.model import read_config, saved_dtype
from train.recipe import Rope
from train.rope import scaled


def merge(adapter: Path, out: Path, *, base: str | None = None) -> None:
    """Write `out`, a model directory with the adapter's products added to the base's weights.

    The base is the one that `chaku.json` beside the adapter names, unless `base` says where it is now. Sums are taken
    in float32 and written in the base's own type. Raises InputError where `adapter` is not one that Chaku trained.
    """
    refuse_foreign(out, marker=MARKER)
    record = _read_record(adapter)
    base = base or str(record["recipe"]["model"]["path"])
    config = scaled(read_config(base), Rope(**record["recipe"]["rope"]))
    model = merged(base, adapter, config)
    with whole_directory(out, marker=MARKER) as temporary, one_line_for_a_full_disk(out):
        model.save_pretrained(temporary)
        write_companions(
            temporary,
            tokenizer=load_tokenizer(adapter),
            encoder=load_encoder(record["template"], adapter),
            record=record,
        )


def _read_record(adapter: Path) -> dict[str, Any]:
    path = adapter / MARKER
    if not (adapter / CONFIG).is_file() or not path.is_file():
        raise InputError(
            f"{adapter}: has no {CONFIG} with {MARKER} beside it; give a directory that `chaku train --lora.rank` wrote"
        )
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def merged(base: str, adapter: Path, config: PretrainedConfig) -> PreTrainedModel:
    """The base model in its own type with the adapter added to each layer, one layer at a time."""
    model = AutoModelForCausalLM.from_pretrained(
        base, config=config, dtype=saved_dtype(config), use_safetensors=True, trust_remote_code=False
    )
    try:
        adapted = PeftModel.from_pretrained(model, str(adapter))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{adapter}: does not fit {base} ({reason}); name its own base with --base") from error
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            _add(layer)
    plain: PreTrainedModel = adapted.unload()
    return plain


@torch.no_grad()
def _add(layer: LoraLayer) -> None:
    weight = layer.get_base_layer().weight
    assert isinstance(weight, nn.Parameter)  # noqa: S101 - PEFT wraps linear layers
    weight.copy_(weight.float() + layer.get_delta_weight("default").float())
