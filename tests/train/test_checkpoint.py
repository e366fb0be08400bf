"""Checkpoints: whole or not there, in the background, readable by other numbers of ranks, the best one kept."""

import errno
import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from templates.errors import InputError
from tests.train import tiny
from tests.train.processes import killed_after, run, signalled_after
from tests.train.test_main import arguments, metrics, record
from train.checkpoint import INDEX, Checkpoints, Progress
from train.cli import main
from train.model import Trainee
from train.optimizer import adamw
from train.parallel import process_group, shard
from train.recipe import Checkpoint, Optimizer


@contextmanager
def run_of(directory: Path, recipe: Checkpoint) -> Iterator[tuple[Checkpoints, Trainee, torch.optim.Optimizer]]:
    """A lone rank's checkpoints, with a model and an optimizer that has taken a step."""
    with process_group() as ranks, closing(Checkpoints(directory, {"a": "b"}, recipe, ranks)) as checkpoints:
        trainee = Trainee(tiny.tiny_llama())
        shard(trainee, compute_dtype=torch.float32, ranks=ranks)
        optimizer = adamw(trainee, Optimizer())
        for weight in trainee.parameters():
            weight.grad = torch.ones_like(weight)
        optimizer.step()
        yield checkpoints, trainee, optimizer


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def norm(trainee: Trainee) -> torch.Tensor:
    weight: torch.Tensor = trainee.model.model.norm.weight
    return weight.detach().clone()


def test_what_is_written_is_what_was_there_when_it_began(tmp_path: Path) -> None:
    with run_of(tmp_path, Checkpoint()) as (checkpoints, trainee, optimizer):
        before, progress = norm(trainee), Progress(step=3)
        checkpoints.save(trainee, optimizer, progress)
        progress.step = 4
        with torch.no_grad():  # the next step, while the last one is still being written
            for weight in trainee.parameters():
                weight.zero_()
        checkpoints.wait()
        assert checkpoints.resume(trainee, optimizer) == Progress(step=3)
        assert torch.equal(norm(trainee), before)


def test_the_latest_and_the_best_are_kept(tmp_path: Path) -> None:
    losses = {1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5, 5: 2.6}
    with run_of(tmp_path, Checkpoint(keep=2, keep_best=True)) as (checkpoints, trainee, optimizer):
        for step, loss in losses.items():
            with torch.no_grad():
                trainee.model.model.norm.weight.fill_(step)
            progress = Progress(step=step, figures={"held_out_loss": loss}, held_out_step=step)
            checkpoints.save(trainee, optimizer, progress)
        stale = Progress(step=6, figures={"held_out_loss": 0.1}, held_out_step=5)
        checkpoints.save(trainee, optimizer, stale)
        checkpoints.wait()
        assert names(tmp_path) == ["step-000002", "step-000005", "step-000006"]
        best = checkpoints.load_best(trainee)
        assert best is not None and best.step == 2
        assert norm(trainee).eq(2).all()


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_the_last_good_one(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    with run_of(tmp_path, Checkpoint()) as (checkpoints, trainee, optimizer):
        checkpoints.save(trainee, optimizer, Progress(step=1))
        checkpoints.wait()
        monkeypatch.setattr(torch, "save", fail)
        checkpoints.save(trainee, optimizer, Progress(step=2))
        with pytest.raises(InputError, match=r"step-000002: the disk is full; .*last good checkpoint is .*step-000001"):
            checkpoints.wait()
        assert names(tmp_path) == ["step-000001"]
        assert checkpoints.latest() == tmp_path / "step-000001"


def test_a_checkpoint_that_lacks_a_part_is_said_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_of(tmp_path, Checkpoint(keep=9)) as (checkpoints, trainee, optimizer):
        for step in (1, 2, 3, 4):
            checkpoints.save(trainee, optimizer, Progress(step=step))
        checkpoints.wait()
        [shard_file] = (tmp_path / "step-000002").glob("*.distcp")
        shard_file.write_bytes(shard_file.read_bytes()[:-1])
        (tmp_path / "step-000003" / shard_file.name).unlink()
        (tmp_path / "step-000004" / INDEX).unlink()
        assert checkpoints.resume(trainee, optimizer) == Progress(step=1)
    said = capsys.readouterr().err
    assert all(f"step-00000{step}: is not whole" in said for step in (2, 3, 4))
    assert "step-000001" not in said


def test_a_full_disk_at_the_end_leaves_the_checkpoint(
    tmp_path: Path, model_directory: Path, data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    def fail(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    out = tmp_path / "model"
    argv = arguments(model_directory, data_directory, out, "--schedule.max_steps=2")
    with monkeypatch.context() as patch:
        patch.setattr("train.weights.save_file", fail)
        with pytest.raises(InputError, match=r"model: the disk is full"):
            main(argv)
    assert names(tmp_path) == ["model.run"]
    assert names(tmp_path / "model.run" / "checkpoints") == ["step-000002"]
    assert main(argv) == 0
    assert record(out)["figures"]["steps"] == 2


def test_a_run_goes_on_with_another_number_of_ranks(
    tmp_path: Path, model_directory: Path, data_directory: Path
) -> None:
    out = tmp_path / "model"
    argv = arguments(model_directory, data_directory, out, "--checkpoint.keep=9")
    killed_after(3, argv, out)  # alone
    assert signalled_after(6, argv, out, number=signal.SIGTERM, ranks=2) == [0, 0]
    steps = [int(name.removeprefix("step-")) for name in names(tmp_path / "model.run" / "checkpoints")]
    assert 2 in steps and 6 <= steps[-1] < 10
    assert main(argv) == 0  # alone again
    assert main(arguments(model_directory, data_directory, tmp_path / "whole")) == 0
    ours, theirs = (list(metrics(tmp_path / name, "loss").values()) for name in ("model", "whole"))
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_hybrid_sharding_over_two_ranks_equals_one(tmp_path: Path, model_directory: Path, data_directory: Path) -> None:
    argv = arguments(model_directory, data_directory, tmp_path / "two", "--parallel.replicas=2")
    whole = arguments(model_directory, data_directory, tmp_path / "one")
    run(argv, ranks=2)
    assert main(whole) == 0
    ours, theirs = (list(metrics(tmp_path / name, "loss").values()) for name in ("two", "one"))
    assert ours == pytest.approx(theirs, abs=1e-5)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("two", "one")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=1e-4, atol=1e-5)


def test_the_model_is_the_best_checkpoints(tmp_path: Path, model_directory: Path, data_directory: Path) -> None:
    best = ["--checkpoint.keep_best=true", "--validation.every=2", "--optimizer.lr=0.3"]
    assert main(arguments(model_directory, data_directory, tmp_path / "model", *best)) == 0
    held_out = metrics(tmp_path / "model", "held_out_loss")
    figures = record(tmp_path / "model")["figures"]
    measured = {step: loss for step, loss in held_out.items() if step > 0}
    assert figures["held_out_loss"] == min(measured.values())
    assert measured[figures["steps"]] == figures["held_out_loss"]


def test_progress_survives_its_file() -> None:
    progress = Progress(step=3, tokens=4, figures={"loss": 0.5}, held_out_step=2)
    assert Progress(**json.loads(json.dumps(asdict(progress)))) == progress
    assert progress.held_out_loss is None
    assert replace(progress, figures={"held_out_loss": 0.25}, held_out_step=3).held_out_loss == 0.25
