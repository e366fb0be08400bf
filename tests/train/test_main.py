"""Whole runs of `chaku train` on a tiny model: exact, resumable, and refused with one line where the input is wrong."""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from templates.errors import InputError
from tests.train import tiny
from tests.train.processes import killed_after, run, signalled_after
from train.cli import main

STEPS = 10
# What this loop gave when it was written, in float32: twelve windows, two a step.
EXPECTED_LOSSES = [5.5573, 5.4578, 5.2202, 5.1569, 4.9962, 4.93, 4.8539, 4.8222, 4.7538, 4.7223]


def arguments(model: Path, data: Path, out: Path, *more: str) -> list[str]:
    values = {
        "model.path": model,
        "model.compute_dtype": "float32",
        "data.path": data,
        "out": out,
        "batch.windows_per_step": 2,
        "optimizer.lr": 3e-3,
        "schedule.max_steps": STEPS,
        "schedule.epochs": 10,
        "validation.every": 4,
        "generation.max_tokens": 4,
        "checkpoint.every": 2,
    }
    return [*(f"--{name}={value}" for name, value in values.items()), *more]


def metrics(out: Path, name: str) -> dict[int, float]:
    lines = (out.with_name(f"{out.name}.run") / "metrics.jsonl").read_text().splitlines()
    return {line["step"]: line[name] for line in map(json.loads, lines) if name in line}


def record(out: Path) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((out / "chaku.json").read_text())
    return whole


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, model_directory: Path, data_directory: Path) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "model"
    assert main(arguments(model_directory, data_directory, out)) == 0
    return out


def test_the_losses_are_the_expected_ones(undisturbed: Path) -> None:
    losses = metrics(undisturbed, "loss")
    assert list(losses) == list(range(1, STEPS + 1))
    assert list(losses.values()) == pytest.approx(EXPECTED_LOSSES, abs=2e-3)


def test_a_run_leaves_a_model_its_figures_and_no_checkpoints(undisturbed: Path) -> None:
    figures = record(undisturbed)["figures"]
    assert figures["held_out_loss"] < figures["before_held_out_loss"]
    assert figures["steps"] == STEPS
    held_out = metrics(undisturbed, "held_out_loss")
    assert list(held_out) == [0, 4, 8, 10]
    assert held_out[10] == figures["held_out_loss"]
    run = undisturbed.with_name("model.run")
    assert sorted(path.name for path in run.iterdir()) == [
        "generations.jsonl",
        "lock",
        "metrics.jsonl",
        "report.html",
        "tensorboard",
    ]
    assert sorted(path.name for path in undisturbed.parent.iterdir()) == ["model", "model.run"]


def test_a_finished_run_is_not_run_again(
    undisturbed: Path, model_directory: Path, data_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (undisturbed / "model.safetensors").stat()
    assert main(arguments(model_directory, data_directory, undisturbed)) == 0
    assert "already the result" in capsys.readouterr().err
    assert (undisturbed / "model.safetensors").stat() == before


def test_killed_and_resumed_equals_undisturbed_to_the_bit(
    tmp_path: Path, undisturbed: Path, model_directory: Path, data_directory: Path
) -> None:
    out = tmp_path / "model"
    argv = arguments(model_directory, data_directory, out)
    steps = sorted(random.sample(range(1, STEPS - 1), 5))
    for step in steps:
        killed_after(step, argv, out)
        assert not out.exists()
    run(argv)
    ours, theirs = record(out)["figures"], record(undisturbed)["figures"]
    for name in ("loss", "held_out_loss", "held_out_accuracy", "before_held_out_loss", "tokens", "supervised_tokens"):
        assert ours[name] == theirs[name], (name, steps)
    assert metrics(out, "loss") == metrics(undisturbed, "loss"), steps
    assert (out / "model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes(), steps


@pytest.mark.parametrize("notice", [signal.SIGTERM, signal.SIGUSR1])
def test_a_notice_saves_and_the_same_command_goes_on(
    tmp_path: Path, undisturbed: Path, model_directory: Path, data_directory: Path, notice: signal.Signals
) -> None:
    out = tmp_path / "model"
    argv = arguments(model_directory, data_directory, out, "--checkpoint.every=0")
    assert signalled_after(2, argv, out, number=notice) == [0]
    assert not out.exists()
    [checkpoint] = (tmp_path / "model.run" / "checkpoints").iterdir()
    assert 2 <= int(checkpoint.name.removeprefix("step-")) < STEPS
    assert main(argv) == 0
    assert record(out)["figures"]["loss"] == record(undisturbed)["figures"]["loss"]


def test_two_ranks_under_torchrun_equal_one(
    tmp_path: Path, undisturbed: Path, model_directory: Path, data_directory: Path
) -> None:
    out = tmp_path / "model"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "chaku", "train"]
    argv = [*launcher, *arguments(model_directory, data_directory, out)]
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert metrics(out, "loss") == pytest.approx(metrics(undisturbed, "loss"), abs=1e-5)
    # AdamW's steps hardly depend on the gradient's scale: the loss alone would not tell a mean over ranks from a sum.
    assert metrics(out, "grad_norm") == pytest.approx(metrics(undisturbed, "grad_norm"), rel=1e-4)
    ours, theirs = record(out)["figures"], record(undisturbed)["figures"]
    assert ours["held_out_loss"] == pytest.approx(theirs["held_out_loss"], abs=1e-5)
    assert (ours["tokens"], ours["supervised_tokens"]) == (theirs["tokens"], theirs["supervised_tokens"])


def test_activation_checkpointing_changes_nothing(
    tmp_path: Path, undisturbed: Path, model_directory: Path, data_directory: Path
) -> None:
    out = tmp_path / "model"
    argv = arguments(model_directory, data_directory, out, "--model.activation_checkpointing=true")
    assert main(argv) == 0
    assert metrics(out, "loss") == pytest.approx(metrics(undisturbed, "loss"), abs=1e-6)


def test_no_steps_write_the_base_model_unchanged(tmp_path: Path, model_directory: Path, data_directory: Path) -> None:
    out = tmp_path / "model"
    assert main(arguments(model_directory, data_directory, out, "--schedule.max_steps=0")) == 0
    ours, base = (load_file(path / "model.safetensors") for path in (out, model_directory))
    assert ours.keys() == base.keys()
    assert all(torch.equal(ours[name], base[name]) for name in base)
    figures = record(out)["figures"]
    assert figures["steps"] == 0
    assert figures["held_out_loss"] == figures["before_held_out_loss"]
    assert (out / "chat_template.jinja").is_file()


def test_a_loss_that_is_not_a_number_stops_the_run_with_its_conversations(
    tmp_path: Path, model_directory: Path, data_directory: Path
) -> None:
    broken = shutil.copytree(model_directory, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = math.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"step 1: the loss is nan .* train-\d+-0.*no checkpoint yet"):
        main(arguments(broken, data_directory, tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_a_gradient_that_is_not_a_number_never_reaches_the_weights(
    tmp_path: Path, model_directory: Path, data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = iter([1.0, 1.0, math.inf])
    monkeypatch.setattr("train.step.gradient_norm", lambda *_, **__: next(norms))
    argv = arguments(model_directory, data_directory, tmp_path / "model")
    with pytest.raises(InputError, match=r"step 3: the gradient's norm is inf .* train-.*checkpoint is .*step-000002"):
        main(argv)
    monkeypatch.undo()
    assert main(argv) == 0  # from the checkpoint, which is good
    assert list(metrics(tmp_path / "model", "loss")) == list(range(1, STEPS + 1))


def test_another_recipe_does_not_go_on_from_this_ones_checkpoints(
    tmp_path: Path, model_directory: Path, data_directory: Path
) -> None:
    out = tmp_path / "model"
    killed_after(5, arguments(model_directory, data_directory, out), out)
    with pytest.raises(InputError, match=r"optimizer.lr was 0.003, is 0.1"):
        main(arguments(model_directory, data_directory, out, "--optimizer.lr=0.1"))
    assert list((tmp_path / "model.run" / "checkpoints").iterdir())


def test_windows_of_another_template_or_tokenizer_are_refused(
    tmp_path: Path, model_directory: Path, data_directory: Path
) -> None:
    data = shutil.copytree(data_directory, tmp_path / "data")
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["fingerprint"]["digest"] = manifest["fingerprint"]["parts"]["tokenizer"] = "another"
    (data / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"another tokenizer .*prepare"):
        main(arguments(model_directory, data, tmp_path / "model"))


@pytest.mark.parametrize("lack", ["model.safetensors", "tokenizer.json", "config.json"])
def test_an_incomplete_model_directory_is_refused(
    tmp_path: Path, model_directory: Path, data_directory: Path, lack: str
) -> None:
    model = shutil.copytree(model_directory, tmp_path / "base")
    (model / lack).unlink()
    if lack == "model.safetensors":
        torch.save({}, model / "pytorch_model.bin")
    with pytest.raises(InputError, match=f"{model}: "):
        main(arguments(model, data_directory, tmp_path / "model"))
    assert not (tmp_path / "model.run").exists()


@pytest.mark.parametrize("path", ["./nope", "/nope/base", "nope/", "a/b/c"])
def test_a_misspelt_model_directory_is_refused_without_asking_the_hub(
    tmp_path: Path, data_directory: Path, path: str
) -> None:
    with pytest.raises(InputError, match=f"{path}: there is no such directory"):
        main(arguments(Path("base"), data_directory, tmp_path / "model", f"--model.path={path}"))


def test_a_foreign_directory_is_not_replaced(tmp_path: Path, model_directory: Path, data_directory: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="not ours"):
        main(arguments(model_directory, data_directory, tmp_path / "model"))


def test_windows_without_a_supervised_token_are_refused(tmp_path: Path, model_directory: Path) -> None:
    data = tiny.write_data(tmp_path / "data", model=model_directory)
    row = {"input_ids": [5, 6, 7], "labels": [-100] * 3, "document_lengths": [3], "sources": ["a"]}
    tiny.write_windows(data / "train", [row, row])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"step 1: .*no supervised token"):
        main(arguments(model_directory, data, tmp_path / "model"))
