"""A base model with tokens that a format needs and its tokenizer lacks: ChatML on LLaMA, for instance."""

from pathlib import Path

import torch
from tokenizers import AddedToken
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

import templates
from data_tools.atomic import whole_directory
from templates.errors import InputError
from templates.guard import guard
from templates.loading import load_tokenizer
from templates.special_tokens import special_tokens_of
from templates.stop import missing_controls
from train.export import one_line_for_a_full_disk
from train.model import read_config, saved_dtype

ROWS = 64  # GPUs multiply matrices whose sides are multiples of 64 at full speed
MARKER = "config.json"


def grow(base: str, out: Path, *, template: str) -> list[str]:
    """Write `out`, the base model with the control tokens that a template needs; returns those tokens.

    Each new row of the embeddings and of the head is the mean of the old rows, which shifts no old token's logit and
    makes a new one as likely as an average token. Rows are filled up to a multiple of 64. Raises InputError where the
    tokenizer lacks nothing. `chaku data prepare --model OUT` and `chaku train --model.path OUT` go on from it.
    """
    if out.exists():
        raise InputError(f"{out}: is there already; give a new directory")
    config, tokenizer = read_config(base), load_tokenizer(base)
    tokens = missing_tokens(template, tokenizer)
    if not tokens:
        raise InputError(f"{base}: has every control token of {template}; prepare and train with it as it is")
    before = len(tokenizer)
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in tokens], special_tokens=True)
    model = _grown(base, config, first=before, last=len(tokenizer))
    with whole_directory(out, marker=MARKER) as temporary, one_line_for_a_full_disk(out):
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
    return tokens


def missing_tokens(name: str, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The control tokens that a template writes and a tokenizer lacks, in the order of their first use."""
    template = templates.load(name, tokenizer)
    known = guard(tokenizer.backend_tokenizer).control_ids
    return missing_controls(template, special_tokens_of(template, tokenizer), known)


def _grown(base: str, config: PretrainedConfig, *, first: int, last: int) -> PreTrainedModel:
    """The model with rows for the tokens from `first` to before `last`, and up to a multiple of 64."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        base, dtype=saved_dtype(config), use_safetensors=True, trust_remote_code=False
    )
    rows = max(config.vocab_size, -(-last // ROWS) * ROWS)
    means = [_mean_row(table, first) for table in _tables(model)]
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for table, mean in zip(_tables(model), means, strict=True):
            table[first:] = mean
    return model


def _tables(model: PreTrainedModel) -> list[Tensor]:
    """The weights of the embeddings and of the head [vocabulary, hidden size], which may be the same."""
    return [model.get_input_embeddings().weight, model.get_output_embeddings().weight]  # type: ignore[no-untyped-call, list-item]


def _mean_row(weight: Tensor, count: int) -> Tensor:
    return weight.detach()[:count].float().mean(dim=0).to(weight.dtype)
