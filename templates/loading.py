"""A model's tokenizer, and the encoder of a template with it: the one way in which every room loads them."""

import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from templates.errors import InputError
from templates.template import load

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from templates.encoder import Encoder

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def hide_torch() -> None:
    """Let transformers find no PyTorch in this process: it reads tokenizers in a third of the time and memory then."""
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # it would advise to install PyTorch
    sys.modules.setdefault("torch", cast("ModuleType", None))


def load_tokenizer(model: str | Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model directory, or of a model on the hub by its name.

    Raises InputError where there is none, or where its files are damaged.
    """
    from transformers import AutoTokenizer

    if Path(model).exists() and not any(Path(model).glob("tokenizer*")):
        raise InputError(f"{model}: has no tokenizer files; give a complete Hugging Face model directory")
    if not Path(model).exists() and not _HUB_NAME.fullmatch(str(model)):
        raise InputError(f"{model}: there is no such directory; give a Hugging Face model directory")
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except Exception as error:  # a damaged tokenizer.json raises KeyError, or the Rust library's bare Exception
        raise InputError(
            f"{model}: no tokenizer could be loaded from it; give a Hugging Face model directory, or the name of a "
            "model on the hub that this machine can reach"
        ) from error
    return tokenizer


def load_encoder(template: str, model: str | Path) -> "Encoder":
    """The encoder of a template (by its name) with a model's tokenizer. Raises InputError where either is not there."""
    from templates.encoder import Encoder

    tokenizer = load_tokenizer(model)
    return Encoder(load(template, tokenizer), tokenizer)
