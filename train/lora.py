"""Low-rank adapters through PEFT, in its own names and files, so that PEFT and vLLM load what we write."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from templates.errors import InputError
from train.recipe import Lora

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
ALL_LINEAR = "all-linear"


def add_adapters(model: PreTrainedModel, recipe: Lora) -> None:
    """Put adapters into the model's linear layers, in place, and freeze all else.

    They begin as zero (B is zero), so nothing changes until the first step; their weights are float32 whatever the
    base is held in.
    """
    inject_adapter_in_model(_config(model, recipe), model)
    for module in model.modules():
        # bitsandbytes would repack the base for inference at the first validation, with coarser scales
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


@torch.no_grad()
def refuse_untrained_stop(model: PreTrainedModel, stop_ids: list[int]) -> None:
    """Raise InputError where a stop token's row in the head equals another token's, as `chaku train grow` leaves it.

    Adapters do not touch that row, so the model could never prefer the stop token to the other, and never stop.
    """
    head: Tensor = model.get_output_embeddings().weight  # type: ignore[no-untyped-call]
    for stop in stop_ids:
        if int((head == head[stop]).all(dim=1).sum()) > 1:
            raise InputError(
                f"{model.config.name_or_path}: its stop token (id {stop}) is as untrained as other new tokens, and "
                "adapters cannot change that; train the weights themselves (--lora.rank 0), or take a template whose "
                "stop token the model knows, such as vicuna_v1.1"
            )


def _config(model: PreTrainedModel, recipe: Lora) -> LoraConfig:
    return LoraConfig(
        task_type="CAUSAL_LM",
        base_model_name_or_path=model.config.name_or_path,
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=_targets(model, recipe.targets),
    )


def _targets(model: PreTrainedModel, pattern: str) -> list[str]:
    """The last parts of the names of the linear layers that match, as adapter_config.json lists them."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head]
    endings = sorted({name.rsplit(".", 1)[-1] for name in layers})
    if pattern == ALL_LINEAR:
        return endings
    chosen = [ending for ending in endings if re.fullmatch(pattern, ending)]
    if not chosen:
        raise InputError(f"--lora.targets {pattern!r} matches no linear layer; they are {', '.join(endings)}")
    return chosen


def in_4_bits(compute_dtype: torch.dtype) -> BitsAndBytesConfig:
    """How bitsandbytes holds the base model. Raises InputError where that package is missing."""
    missing = [name for name in ("bitsandbytes", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--lora.base_in_4_bits needs {' and '.join(missing)}; run `pip install 'chaku[qlora]'`, or leave it out"
        )
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def save_adapter(model: PreTrainedModel, state: dict[str, Tensor], directory: Path, *, base: str) -> None:
    """Write adapter_model.safetensors and adapter_config.json; `state` has the adapters under the model's names."""
    config: LoraConfig = model.peft_config["default"]
    adapters: dict[str, Any] = get_peft_model_state_dict(model, state_dict=state, save_embedding_layers=False)
    save_file(
        {f"base_model.model.{name}": weight.contiguous() for name, weight in adapters.items()},
        directory / WEIGHTS,
        metadata={"format": "pt"},
    )
    config.base_model_name_or_path, config.inference_mode = base, True
    config.save_pretrained(str(directory))
