"""The result: a plain Hugging Face directory that transformers and an unmodified vLLM open, written whole or not."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from transformers import GenerationConfig, PretrainedConfig, PreTrainedTokenizerBase

import templates
from data_tools.atomic import whole_directory
from templates.errors import InputError
from train.model import Trainee, saved_dtype
from train.parallel import Ranks
from train.weights import write_weights

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
    """Write weights in the base model's own type, tokenizer, template, stop ids, `chaku.json`; all ranks call this.

    Each rank writes its part of the weights. Where adapters were trained, they alone are written, in PEFT's format.
    """
    with _one_directory(out, ranks) as directory:
        if record["recipe"]["lora"]["rank"]:
            _write_adapter(trainee, directory, base=record["recipe"]["model"]["path"], ranks=ranks)
        else:
            write_weights(trainee.model, directory, dtype=saved_dtype(config), ranks=ranks)
            if ranks.is_first:
                config.architectures = [type(trainee.model).__name__.removeprefix("FSDP")]
                config.save_pretrained(directory)
        if ranks.is_first:
            write_companions(directory, tokenizer=tokenizer, encoder=encoder, record=record)
        dist.barrier()


@contextmanager
def _one_directory(out: Path, ranks: Ranks) -> Iterator[Path]:
    """The temporary directory that becomes `out`, on all ranks. A full disk becomes an InputError."""
    place: list[Path | None] = [None]
    if not ranks.is_first:
        dist.broadcast_object_list(place, src=0, device=ranks.device)
        assert place[0] is not None  # noqa: S101 - the first rank has sent it
        with one_line_for_a_full_disk(out):
            yield place[0]
        return
    with whole_directory(out, marker=MARKER) as temporary:
        dist.broadcast_object_list([temporary], src=0, device=ranks.device)
        with one_line_for_a_full_disk(out):
            yield temporary


@contextmanager
def one_line_for_a_full_disk(out: Path) -> Iterator[None]:
    """Raise InputError where the disk fills up on this rank; safetensors reports that as an error of its own."""
    try:
        yield
    except (SafetensorError, OSError) as error:
        if "os error 28" not in str(error) and getattr(error, "errno", None) != errno.ENOSPC:
            raise
        raise InputError(f"{out}: the disk is full; free some space and give the same command again") from error


def _write_adapter(trainee: Trainee, directory: Path, *, base: str, ranks: Ranks) -> None:
    from train.lora import save_adapter

    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    state = get_model_state_dict(trainee, options=options)
    if ranks.is_first:
        adapters = {name.removeprefix("model."): weight for name, weight in state.items() if isinstance(weight, Tensor)}
        save_adapter(trainee.model, adapters, directory, base=base)


def write_companions(
    directory: Path,
    *,
    tokenizer: PreTrainedTokenizerBase,
    encoder: templates.Encoder,
    record: dict[str, Any],
) -> None:
    """Write what stands beside the weights: stop ids, tokenizer with the template, `chaku.json`."""
    generation = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        # a format whose replies end with plain text stops by that text instead
        eos_token_id=encoder.stop_ids or tokenizer.eos_token_id,
        stop_strings=encoder.stop_strings or None,
        pad_token_id=tokenizer.pad_token_id,
    )
    generation.save_pretrained(directory)
    tokenizer.chat_template = encoder.chat_template
    tokenizer.save_pretrained(directory)
    (directory / MARKER).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def is_result_of(out: Path, identity: dict[str, str]) -> bool:
    """Whether `out` is already the model of this very run (see `train.checkpoint.identity_of`)."""
    path = out / MARKER
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["identity"] == identity
