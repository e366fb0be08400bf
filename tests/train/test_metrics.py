"""The bar's words, and figures that go to files, TensorBoard, W&B and trackio."""

import importlib.util
import json
import sqlite3
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from templates.errors import InputError
from train.generate import Reply
from train.metrics import Metrics, in_words, peak_memory
from train.recipe import Tracking
from train.tracking import Tracker, refuse_missing

STEP = {
    "loss": 1.3682, "learning_rate": 9.5e-5, "tokens_per_second": 1352.0, "supervised_tokens_per_second": 176.4,
    "mfu": 0.413, "memory_bytes": 5.7e9,
}  # fmt: skip


def test_a_step_in_words() -> None:
    words = "loss 1.3682  lr 9.50e-05  1,352 tokens/s (176 supervised)  MFU 41%  5.7 GB"
    assert in_words(STEP) == words


def test_figures_and_replies_are_kept_and_those_taken_again_are_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for first_step in (0, 1):
        with Metrics(tmp_path, first_step=first_step, steps=2) as metrics:
            metrics.show_step(first_step + 1, STEP)
            metrics.record_replies(first_step + 1, [Reply("Hi", "Oh!", tokens=2, stopped=True)])
            if first_step == 0:
                metrics.show_step(2, {**STEP, "loss": 9.0})  # after the checkpoint: the resumed run takes it again
    for name in ("metrics.jsonl", "generations.jsonl"):
        assert [json.loads(line)["step"] for line in (tmp_path / name).read_text().splitlines()] == [1, 2]
    assert "step 2/2  loss 1.3682" in capsys.readouterr().err
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert (1, 1.3682) in [(event.step, round(event.value, 4)) for event in board.Scalars("loss")]


@pytest.mark.parametrize("service", ["trackio", "wandb"])
def test_a_resumed_run_goes_on_under_its_own_name(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TRACKIO_DIR": str(tmp_path), "WANDB_MODE": "offline", "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    recipe = Tracking(service=service, project="trial")  # type: ignore[arg-type]
    for step in (1, 2):
        tracker = Tracker(recipe, tmp_path, resumed=step > 1, config={"seed": 0})
        tracker.log(step, {"loss": 1.0 / step})
        tracker.close()
        time.sleep(1)  # W&B names a folder by the second, and runs that begin within one would share it
    name = json.loads((tmp_path / "tracking.json").read_text())["name"]
    if service == "wandb":
        assert len(list(tmp_path.glob(f"wandb/offline-run-*-{name}/run-{name}.wandb"))) == 2
    else:
        rows = sqlite3.connect(tmp_path / "trial.db").execute("select run_name, step from metrics").fetchall()
        assert rows == [(name, 1), (name, 2)]


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_missing(Tracking())
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"wandb needs the package wandb; run `pip install 'chaku\[wandb\]'"):
        refuse_missing(Tracking(service="wandb"))


def test_peak_memory_holds_what_was_taken() -> None:
    before = peak_memory(torch.device("cpu"))
    assert before > 50e6
    assert peak_memory(torch.device("cpu")) >= before
