"""Adapters through PEFT: nothing changes at zero, they alone are trained and kept, and PEFT reads and merges them."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch.distributed.checkpoint.filesystem import FileSystemReader
from transformers import AutoModelForCausalLM, AutoTokenizer

import templates
from templates.errors import InputError
from tests.train import tiny
from tests.train.processes import killed_after, run
from tests.train.test_attention import packed
from tests.train.test_main import arguments, metrics
from train import lora
from train.attention import register, sdpa_varlen
from train.cli import main
from train.lora import add_adapters
from train.merge import merge
from train.model import Trainee
from train.optimizer import adamw
from train.recipe import Lora, Optimizer

LORA = ["--lora.rank=4", "--lora.alpha=8", "--optimizer.lr=1e-2"]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, model_directory: Path, data_directory: Path) -> Path:
    out = tmp_path_factory.mktemp("lora") / "adapter"
    assert main(arguments(model_directory, data_directory, out, *LORA)) == 0
    return out


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = model(torch.arange(2, 40)[None]).logits
    return result


def base_model(directory: Path) -> torch.nn.Module:
    model: torch.nn.Module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return model


def test_adapters_begin_as_nothing_and_are_all_that_is_trained() -> None:
    plain, adapted = tiny.tiny_llama(), tiny.tiny_llama()
    add_adapters(adapted, Lora(rank=4))
    adapted.set_attn_implementation(register(sdpa_varlen))
    plain.set_attn_implementation(register(sdpa_varlen))
    trainee = Trainee(adapted).train()
    assert torch.equal(trainee(packed()), Trainee(plain).train()(packed()))
    groups = adamw(trainee, Optimizer()).param_groups
    assert sum(len(group["params"]) for group in groups) == 2 * 7 * tiny.tiny_config().num_hidden_layers
    torch.autograd.backward(trainee(packed()))
    assert all(("lora_" in name) == (weight.grad is not None) for name, weight in adapted.named_parameters())


def test_a_run_lowers_the_held_out_loss_and_writes_pefts_format(adapter: Path, model_directory: Path) -> None:
    record = json.loads((adapter / "chaku.json").read_text())
    assert record["figures"]["held_out_loss"] < record["figures"]["before_held_out_loss"] - 0.05
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= {
        path.name for path in adapter.iterdir()
    }
    assert not (adapter / "model.safetensors").exists()
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == str(model_directory)
    encoder = templates.Encoder(templates.load("vicuna_v1.1"), AutoTokenizer.from_pretrained(adapter))
    assert encoder.fingerprint == templates.Fingerprint(**record["fingerprint"])


def test_merged_equals_base_and_adapter(adapter: Path, model_directory: Path, tmp_path: Path) -> None:
    assert main(["merge", str(adapter), "--out", str(tmp_path / "merged")]) == 0
    merged = base_model(tmp_path / "merged")
    adapted = PeftModel.from_pretrained(base_model(model_directory), str(adapter))
    torch.testing.assert_close(logits(merged), logits(adapted), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(merged), logits(base_model(model_directory)), atol=1e-2)
    for name in ("chaku.json", "chat_template.jinja", "generation_config.json"):
        assert (tmp_path / "merged" / name).read_text() == (adapter / name).read_text()


def test_checkpoints_hold_adapters_alone_and_a_killed_run_goes_on_to_the_bit(
    adapter: Path, model_directory: Path, data_directory: Path, tmp_path: Path
) -> None:
    argv = arguments(model_directory, data_directory, tmp_path / "adapter", *LORA, "--lora.dropout=0.1")
    run(arguments(model_directory, data_directory, tmp_path / "whole", *LORA, "--lora.dropout=0.1"))
    killed_after(5, argv, tmp_path / "adapter")
    for checkpoint in (tmp_path / "adapter.run" / "checkpoints").glob("step-*"):
        saved = FileSystemReader(checkpoint).read_metadata().state_dict_metadata
        assert len([name for name in saved if name.startswith("model.")]) == len(load_file(adapter / lora.WEIGHTS))
        assert all("lora_" in name or "param_groups" in name for name in saved)
    run(argv)
    ours, theirs = (tmp_path / name / lora.WEIGHTS for name in ("adapter", "whole"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_two_ranks_equal_one(adapter: Path, model_directory: Path, data_directory: Path, tmp_path: Path) -> None:
    run(arguments(model_directory, data_directory, tmp_path / "adapter", *LORA), ranks=2)
    ours, theirs = (load_file(path / lora.WEIGHTS) for path in (tmp_path / "adapter", adapter))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=1e-3, atol=1e-4, msg=name)
    assert list(metrics(tmp_path / "adapter", "loss").values()) == pytest.approx(
        list(metrics(adapter, "loss").values()), abs=1e-5
    )


def test_a_base_in_4_bits_is_trained_through(model_directory: Path, data_directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    assert main(arguments(model_directory, data_directory, out, *LORA, "--lora.base_in_4_bits=true")) == 0
    figures = json.loads((out / "chaku.json").read_text())["figures"]
    assert figures["held_out_loss"] < figures["before_held_out_loss"] - 0.05
    merge(out, tmp_path / "merged")
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def test_4_bits_without_bitsandbytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'chaku\[qlora\]'"):
        lora.in_4_bits(torch.float32)


def test_targets_that_match_nothing_name_what_there_is() -> None:
    with pytest.raises(InputError, match=r"'qproj' matches no linear layer; they are down_proj, .*q_proj"):
        add_adapters(tiny.tiny_llama(), Lora(rank=4, targets="qproj"))


def test_merging_what_is_no_adapter_is_refused(model_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no adapter_config.json with chaku.json"):
        merge(model_directory, tmp_path / "merged")
