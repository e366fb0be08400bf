"""The written directory is a plain Hugging Face model: plain transformers computes what the trainer computed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import templates
from tests.train.test_main import arguments
from train.cli import main

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, model_directory: Path, data_directory: Path) -> Path:
    directory = tmp_path_factory.mktemp("export") / "model"
    assert main(arguments(model_directory, data_directory, directory, "--schedule.max_steps=3")) == 0
    return directory


def test_plain_transformers_computes_the_trainers_held_out_loss(out: Path, data_directory: Path) -> None:
    import pyarrow.parquet as pq

    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    total, count = 0.0, 0
    for row in pq.read_table(data_directory / "held_out").to_pylist():
        start = 0
        for length in row["document_lengths"]:
            ids, labels = (torch.tensor(row[name][start : start + length]) for name in ("input_ids", "labels"))
            tokens = int((labels[1:] != -100).sum())
            total += model(ids[None], labels=labels[None]).loss.item() * tokens
            count += tokens
            start += length
    figures = json.loads((out / "chaku.json").read_text())["figures"]
    assert total / count == pytest.approx(figures["held_out_loss"], rel=1e-6)


def test_weights_are_written_in_the_type_of_the_bases(
    out: Path, tmp_path: Path, model_directory: Path, data_directory: Path
) -> None:
    base = tmp_path / "base"
    AutoModelForCausalLM.from_pretrained(model_directory, dtype=torch.bfloat16).save_pretrained(base)
    AutoTokenizer.from_pretrained(model_directory).save_pretrained(base)
    assert main(arguments(base, data_directory, tmp_path / "model", "--schedule.max_steps=1")) == 0
    for directory, dtype in ((out, torch.float32), (tmp_path / "model", torch.bfloat16)):
        assert json.loads((directory / "config.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")
        assert {weight.dtype for weight in load_file(directory / "model.safetensors").values()} == {dtype}


def test_the_directory_holds_the_template_and_its_stop_ids(out: Path, model_directory: Path) -> None:
    template = templates.load("vicuna_v1.1")
    encoder = templates.Encoder(template, AutoTokenizer.from_pretrained(model_directory))
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert (out / "chat_template.jinja").read_text() == encoder.chat_template
    assert tokenizer.apply_chat_template(TALK, return_dict=False) == encoder.encode([TALK])[0].ids
    assert json.loads((out / "generation_config.json").read_text())["eos_token_id"] == encoder.stop_ids
    record = json.loads((out / "chaku.json").read_text())
    assert templates.Encoder(template, tokenizer).fingerprint == templates.Fingerprint(**record["fingerprint"])
    assert {"template", "data", "recipe", "figures"} <= record.keys()


def test_nothing_but_plain_files_is_in_it(out: Path) -> None:
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".py"))]
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "auto_map" not in config
