"""Memory estimates: sums that can be checked by hand, and one line where a model does not fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from templates.errors import InputError
from tests.train import tiny
from tests.train.test_main import arguments
from train import memory
from train.cli import main
from train.parallel import Ranks
from train.recipe import Data, Lora, Model, Optimizer, Recipe

ALONE = Ranks(0, 1, torch.device("cpu"))
RECIPE = Recipe(model=Model(path="m", compute_dtype="bfloat16"), data=Data(path=Path("d")), out=Path("o"))


def estimate(recipe: Recipe, config: LlamaConfig, ranks: Ranks = ALONE) -> memory.Memory:
    return memory.memory_of(recipe, config, window=2048, ranks=ranks)


def test_a_llama_of_7b_is_known_by_its_shapes_alone() -> None:
    found = estimate(RECIPE, LlamaConfig(), Ranks(0, 8, torch.device("cpu")))
    weights = 6_738_415_616  # Llama 2's own count
    assert found.parts["weights"] == found.parts["gradients"] == weights * 4 / 8
    assert found.parts["optimizer"] == weights
    assert found.states == weights * 2
    assert found.largest == "activations"  # 2048 tokens of 32 layers without recomputation
    recomputed = replace(RECIPE, model=replace(RECIPE.model, activation_checkpointing=True))
    assert estimate(recomputed, LlamaConfig()).parts["activations"] < 0.1 * found.parts["activations"]


def test_adapters_and_8_bit_averages_need_less() -> None:
    config = tiny.tiny_config()
    full = estimate(RECIPE, config)
    eight_bit = estimate(replace(RECIPE, optimizer=Optimizer(type="adamw_8bit")), config)
    adapters = estimate(replace(RECIPE, lora=Lora(rank=4)), config)
    assert adapters.states < eight_bit.states < full.states
    assert adapters.parts["gradients"] < full.parts["gradients"] / 2


def test_a_model_that_does_not_fit_is_one_line_before_its_weights_are_read(
    tmp_path: Path, model_directory: Path, data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "capacity", lambda _: 100_000)
    monkeypatch.setattr("train.main.set_up", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(InputError, match=r"each of 1 rank\(s\) needs 0 MB .*has 0 MB; take 6 ranks or more, or"):
        main(arguments(model_directory, data_directory, tmp_path / "model"))
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_runs_out_is_one_line_with_what_dominates(
    tmp_path: Path, model_directory: Path, data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("train.main.fit", full)
    with pytest.raises(InputError, match=r"does not fit: a device ran out .*most of it \w+ .*--lora.rank 16"):
        main(arguments(model_directory, data_directory, tmp_path / "model"))
