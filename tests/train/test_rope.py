"""Scaled positions: as FastChat's condensed ones, and in the form that transformers and vLLM read."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM

from templates.errors import InputError
from tests.train import tiny
from tests.train.test_main import arguments
from train.cli import main
from train.recipe import Rope
from train.rope import context_length, scaled


def test_linear_scaling_divides_the_positions() -> None:
    plain = tiny.tiny_llama()
    longer = LlamaForCausalLM(scaled(tiny.tiny_config(), Rope(type="linear", factor=4)))  # type: ignore[no-untyped-call]
    longer.load_state_dict(plain.state_dict())
    ids = torch.arange(2, 40)[None]
    positions = torch.arange(38)[None] / 4
    with torch.no_grad():
        torch.testing.assert_close(longer(ids).logits, plain(ids, position_ids=positions).logits)


@pytest.mark.parametrize(("kind", "positions"), [("linear", 512), ("yarn", 2048)])
def test_readers_see_four_times_the_context(kind: str, positions: int, tmp_path: Path) -> None:
    scaled(tiny.tiny_config(), Rope(type=kind, factor=4)).save_pretrained(tmp_path)  # type: ignore[arg-type]
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.max_position_embeddings == positions
    assert (config.rope_parameters["rope_type"], config.rope_parameters["factor"]) == (kind, 4)
    assert context_length(config) == 2048


def test_a_base_that_is_scaled_already_is_refused() -> None:
    config = scaled(tiny.tiny_config(), Rope(type="yarn", factor=2))
    with pytest.raises(InputError, match=r"already scaled \(yarn, to 1024 tokens\)"):
        scaled(config, Rope(type="linear", factor=2))


def test_longer_documents_need_scaling_and_the_model_records_it(tmp_path: Path, model_directory: Path) -> None:
    data = tiny.write_data(tmp_path / "data", model=model_directory)
    row = {"input_ids": [5] * 600, "labels": [5] * 600, "document_lengths": [600], "sources": ["a"]}
    tiny.write_windows(data / "train", [row, row])  # type: ignore[list-item]
    out = tmp_path / "model"
    with pytest.raises(InputError, match=r"has 600 tokens and .* at most 512; .*--window 512.*--rope.factor 2"):
        main(arguments(model_directory, data, out))
    scaling = ["--rope.type=yarn", "--rope.factor=2", "--schedule.max_steps=1"]
    assert main(arguments(model_directory, data, out, *scaling)) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["rope_parameters"]["rope_type"] == "yarn"
    assert AutoModelForCausalLM.from_pretrained(out).model.rotary_emb.rope_type == "yarn"
