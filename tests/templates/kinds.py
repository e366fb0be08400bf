"""The tokenizers that the contract is proved on, and which formats go with them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerBase

import templates
from templates import Encoder
from templates.guard import GuardedTokenizer, guard
from tests.conftest import SHARED_DATA
from train.small_model import small_model

TOKENIZERS = ("smollm2", "llama-32k", "llama-3", "qwen2.5")
VOCABULARIES = ("gpt-2", "phi-3")  # GGUF files
PIECES = "tok512"  # a SentencePiece file
# A vocabulary that was grown for a format, and Phi-3's tokens with Phi-3's flags, which its GGUF vocabulary lacks.
GROWN = ("<start_of_turn>", "<end_of_turn>", "<|end_of_turn|>")
FLAGGED = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
KINDS = (*TOKENIZERS, *VOCABULARIES, PIECES, "grown", "flagged")
# Formats that write out control tokens go with the tokenizers that have them, all others with every tokenizer.
FITTING = {
    "chatml": ("smollm2", "qwen2.5", "grown"),
    "qwen": ("smollm2", "qwen2.5", "grown"),
    "llama-3": ("llama-3",),
    "gemma": ("grown",),
    "openchat": ("grown",),
    "phi-3": ("phi-3", "flagged"),
    "tokenizer": ("smollm2", "llama-3", "qwen2.5", "phi-3"),
}
FITS = [(name, kind) for name in (*templates.names(), "tokenizer") for kind in FITTING.get(name, KINDS[:-2])]
MISFITS = [(name, kind) for name in templates.names() for kind in KINDS if kind not in FITTING.get(name, KINDS)]


@cache
def tokenizer_for(kind: str) -> PreTrainedTokenizerBase:
    if kind in ("smollm2", "grown"):
        return grown(AutoTokenizer.from_pretrained(small_model()), GROWN if kind == "grown" else ())
    if kind == "flagged":
        return grown(from_shared("llama-32k"), FLAGGED)
    return from_shared(kind)


def from_shared(kind: str) -> PreTrainedTokenizerBase:
    directory = SHARED_DATA / "tokenizers"
    if not directory.is_dir():
        pytest.skip(f"the real tokenizers are not at {directory}")
    if kind in VOCABULARIES:
        return AutoTokenizer.from_pretrained(directory, gguf_file=f"vocab-{kind}.gguf")
    if kind == PIECES:
        with TemporaryDirectory() as model:
            (Path(model) / "tokenizer.model").symlink_to(directory / f"{PIECES}_sentencepiece.model")
            pieces: PreTrainedTokenizerBase = LlamaTokenizer.from_pretrained(model)
            return pieces
    return AutoTokenizer.from_pretrained(directory / kind)


def grown(tokenizer: PreTrainedTokenizerBase, controls: tuple[str, ...]) -> PreTrainedTokenizerBase:
    """The tokenizer with more control tokens. Phi-3's take the whitespace after them, and here `<|end|>` both."""
    added = [
        AddedToken(text, special=True, normalized=False, rstrip=text in FLAGGED, lstrip=text == "<|end|>")
        for text in controls
    ]
    tokenizer.add_tokens(added, special_tokens=True)
    return tokenizer


@cache
def guarded_for(kind: str) -> GuardedTokenizer:
    return guard(tokenizer_for(kind).backend_tokenizer)


@cache
def encoder_for(name: str, kind: str) -> Encoder:
    # respelling a large tokenizer takes a second: once for all the formats
    with patch("templates.encoder.guard", lambda _: guarded_for(kind)):
        return Encoder(templates.load(name, tokenizer_for(kind)), tokenizer_for(kind))
