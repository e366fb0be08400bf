import importlib.util

import pytest
import torch

from templates.errors import InputError
from train.optimizer import adamw, learning_rate, set_learning_rate, total_steps
from train.recipe import Optimizer, Schedule


def test_epochs_fill_up_their_last_step() -> None:
    assert total_steps(Schedule(epochs=3), windows=100, windows_per_step=128) == 3
    assert total_steps(Schedule(epochs=0.5), windows=100, windows_per_step=10) == 5


@pytest.mark.parametrize("asked", [0, 7, 1000])
def test_steps_that_are_asked_for_are_taken(asked: int) -> None:
    assert total_steps(Schedule(epochs=1, max_steps=asked), windows=100, windows_per_step=10) == asked


@pytest.mark.parametrize(
    ("shape", "rates"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, 0.8536, 0.5, 0.1464]),
    ],
)
def test_the_learning_rate_rises_and_then_takes_its_shape(shape: str, rates: list[float]) -> None:
    schedule = Schedule(shape=shape, warmup_ratio=0.3)  # type: ignore[arg-type]
    found = [learning_rate(step, steps=6, peak=1.0, schedule=schedule) for step in range(6)]
    assert found == pytest.approx(rates, abs=1e-4)


def test_warmup_may_be_given_in_steps() -> None:
    schedule = Schedule(shape="constant", warmup_ratio=0.5, warmup_steps=4)
    rates = [learning_rate(step, steps=100, peak=1.0, schedule=schedule) for step in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_8_bit_averages_without_torchao_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'chaku\[adamw-8bit\]'"):
        adamw(torch.nn.Linear(2, 2), Optimizer(type="adamw_8bit"))


def test_a_rate_that_is_a_tensor_stays_the_same_tensor() -> None:
    """torchao's step is compiled over it, and refuses another."""
    held = torch.tensor(1.0)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=held, capturable=True)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1.0})
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is held
    assert [float(group["lr"]) for group in optimizer.param_groups] == [0.25, 0.25]


def test_norms_and_biases_are_not_decayed() -> None:
    matrices, vectors = adamw(torch.nn.Linear(2, 2), Optimizer(weight_decay=0.1)).param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert [weight.ndim for group in (matrices, vectors) for weight in group["params"]] == [2, 1]


def test_the_cosine_is_that_of_pytorch() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    schedule = Schedule(shape="cosine", warmup_ratio=0.0)
    for step in range(10):
        assert learning_rate(step, steps=10, peak=1.0, schedule=schedule) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
