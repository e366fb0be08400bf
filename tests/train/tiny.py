"""A tiny random Llama with a tokenizer of its own, and windows for it: small enough to train in a test."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import templates

WINDOW = 64
WORDS = ["apple", "river", "stone", "cloud", "seven", "green", "quickly", "under", "paper", "light", "dance", "north"]
SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
        ("document_lengths", pa.list_(pa.int32())),
        ("sources", pa.list_(pa.string())),
    ]
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level: 256 byte tokens after <s> and </s>."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )


def tiny_config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=258,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=True,
    )


def tiny_llama(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(tiny_config())  # type: ignore[no-untyped-call]


def write_model(directory: Path) -> Path:
    tiny_llama().save_pretrained(directory)
    tiny_tokenizer().save_pretrained(directory)
    return directory


def write_data(directory: Path, *, model: Path, windows: int = 12, held_out: int = 3) -> Path:
    """Windows of one to three random documents, the second half of each supervised."""
    encoder = templates.Encoder(templates.load("vicuna_v1.1"), PreTrainedTokenizerFast.from_pretrained(model))
    random = np.random.default_rng(0)
    for part, count in (("train", windows), ("held_out", held_out)):
        write_windows(directory / part, [random_window(random, f"{part}-{row}") for row in range(count)])
    manifest = {"fingerprint": asdict(encoder.fingerprint), "template": "vicuna_v1.1", "tokenizer": str(model)}
    (directory / "manifest.json").write_text(json.dumps({**manifest, "window": WINDOW, "counts": {}}))
    return directory


def random_window(random: np.random.Generator, source: str) -> dict[str, list[int] | list[str]]:
    lengths = [int(length) for length in random.integers(8, 22, size=random.integers(1, 4))]
    text = [" ".join(random.choice(WORDS, size=length)).encode()[:length] for length in lengths]
    ids = [byte + 2 for document in text for byte in document]
    labels = [
        token + 2 if place >= len(document) // 2 else -100 for document in text for place, token in enumerate(document)
    ]
    return {
        "input_ids": ids,
        "labels": labels,
        "document_lengths": lengths,
        "sources": [f"{source}-{number}" for number in range(len(lengths))],
    }


def write_windows(directory: Path, rows: Sequence[dict[str, list[int] | list[str]]]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), directory / "windows-00000.parquet")
