"""Shards as transformers reads them, each written by one rank."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.train import tiny
from train.parallel import process_group
from train.weights import INDEX, write_weights


@pytest.mark.parametrize(("shard_bytes", "files"), [(10**9, 1), (20_000, 6)])
def test_shards_hold_the_model_as_transformers_reads_it(shard_bytes: int, files: int, tmp_path: Path) -> None:
    model = tiny.tiny_llama()
    with process_group() as ranks:
        write_weights(model, tmp_path, dtype=torch.float32, ranks=ranks, shard_bytes=shard_bytes)
    model.config.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("model*.safetensors"))) == files
    assert (tmp_path / INDEX).is_file() == (files > 1)
    read = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, read.state_dict()[name]), name


def test_the_index_names_each_weight_once_and_no_shard_is_too_large(tmp_path: Path) -> None:
    with process_group() as ranks:
        write_weights(tiny.tiny_llama(), tmp_path, dtype=torch.bfloat16, ranks=ranks, shard_bytes=20_000)
    index = json.loads((tmp_path / INDEX).read_text())
    parameters = dict(tiny.tiny_llama().named_parameters())
    assert index["weight_map"].keys() == parameters.keys()
    assert index["metadata"]["total_size"] == 2 * sum(weight.numel() for weight in parameters.values())
    for file in set(index["weight_map"].values()):
        assert (tmp_path / file).stat().st_size < 21_500
