"""The result: a plain Hugging Face directory that transformers and an unmodified vLLM open, written whole or not."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from transformers import AutoModelForCausalLM, GenerationConfig, PretrainedConfig, PreTrainedTokenizerBase

import templates
from data_tools.atomic import whole_directory
from train.model import Trainee, saved_dtype
from train.parallel import Ranks

MARKER = "chaku.json"


def export(
    trainee: Trainee,
    out: Path,
    *,
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    encoder: templates.Encoder,
    record: dict[str, Any],
    ranks: Ranks,
) -> None:
    """Write weights in the base model's own type, tokenizer, template, stop ids, `chaku.json`; all ranks call this."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_model_state_dict(trainee, options=options)
    if not ranks.is_first:
        return
    dtype = saved_dtype(config)
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    weights = {
        name.removeprefix("model."): weight.to(dtype) for name, weight in state.items() if isinstance(weight, Tensor)
    }
    plain.load_state_dict(weights, assign=True)
    plain.tie_weights()
    plain.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        # a format whose replies end with plain text stops by that text instead
        eos_token_id=encoder.stop_ids or tokenizer.eos_token_id,
        stop_strings=encoder.stop_strings or None,
        pad_token_id=tokenizer.pad_token_id,
    )
    tokenizer.chat_template = encoder.chat_template
    with whole_directory(out, marker=MARKER) as temporary:
        plain.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        (temporary / MARKER).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def is_result_of(out: Path, identity: dict[str, str]) -> bool:
    """Whether `out` is already the model of this very run (see `train.checkpoint.identity_of`)."""
    path = out / MARKER
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["identity"] == identity
