"""Replies to fixed prompts: those of plain transformers, on any number of ranks, in metrics and in the report."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from templates.errors import InputError
from templates.loading import load_encoder
from tests.train.processes import run
from tests.train.test_main import arguments
from train.cli import main
from train.dry_run_checks import generated
from train.generate import BUILT_IN, read_prompts
from train.recipe import Generation


def replies(out: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (out.with_name(f"{out.name}.run") / "generations.jsonl").read_text().splitlines()
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, model_directory: Path, data_directory: Path) -> Path:
    out = tmp_path_factory.mktemp("trained") / "model"
    assert main(arguments(model_directory, data_directory, out, "--generation.max_tokens=6")) == 0
    return out


def test_replies_are_those_of_plain_transformers_and_stand_in_the_report(trained: Path) -> None:
    found = replies(trained)
    assert [reply["step"] for reply in found] == [step for step in (0, 4, 8, 10) for _ in BUILT_IN]
    model, encoder = AutoModelForCausalLM.from_pretrained(trained), load_encoder("vicuna_v1.1", trained)
    for reply in found[-len(BUILT_IN) :]:
        ids = torch.tensor([encoder.encode_prompt([{"role": "user", "content": reply["prompt"]}])])
        written = generated(model, ids, max_new_tokens=6)
        assert reply["tokens"] == len(written)
        assert encoder.decode(written).removesuffix("</s>").strip() == reply["text"]
    page = (trained.with_name("model.run") / "report.html").read_text()
    assert "before the first step" in page and "after step 10" in page


def test_two_ranks_write_the_same_replies(
    trained: Path, tmp_path: Path, model_directory: Path, data_directory: Path
) -> None:
    run(arguments(model_directory, data_directory, tmp_path / "model", "--generation.max_tokens=6"), ranks=2)
    assert replies(tmp_path / "model") == replies(trained)


def test_prompts_come_from_a_file_with_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("Who are you?\n\nWas ist Brot?\n")
    assert read_prompts(Generation(prompts=file)) == ["Who are you?", "Was ist Brot?"]
    assert read_prompts(Generation(max_tokens=0)) == []
    file.write_text("\n")
    for path, reason in ((file, "has no prompts"), (tmp_path / "none.txt", "cannot be read")):
        with pytest.raises(InputError, match=rf"{path}: {reason}"):
            read_prompts(Generation(prompts=path))
