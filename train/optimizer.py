"""AdamW, and the course of its learning rate, which is a function of the step alone."""

import importlib.util
import math

import torch
from torch import nn

from templates.errors import InputError
from train.recipe import Optimizer, Schedule


def adamw(module: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """AdamW (fused, or torchao's in 8 bits) of what is trained, with weight decay on matrices only.

    A norm's weight or a bias pulled to zero only does harm. Raises InputError where torchao is asked for and missing.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [weight for weight in parameters if weight.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in parameters if weight.ndim < 2], "weight_decay": 0.0},
    ]
    if recipe.type == "adamw_8bit":
        if importlib.util.find_spec("torchao") is None:
            raise InputError(
                "--optimizer.type adamw_8bit needs torchao; run `pip install 'chaku[adamw-8bit]'`, or take adamw"
            )
        from torchao.optim import AdamW8bit

        eight_bit: torch.optim.Optimizer = AdamW8bit(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps)
        return eight_bit
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Take the next step at this rate. torchao, which compiles its step, holds the rate in a tensor of its own."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def total_steps(schedule: Schedule, *, windows: int, windows_per_step: int) -> int:
    """How many steps a run has: those asked for, else its epochs, the last step filled up from the next epoch.

    >>> total_steps(Schedule(epochs=3), windows=100, windows_per_step=128)
    3
    """
    if schedule.max_steps is not None:
        return schedule.max_steps
    return math.ceil(schedule.epochs * windows / windows_per_step)


def learning_rate(step: int, *, steps: int, peak: float, schedule: Schedule) -> float:
    """The learning rate of a step (counted from 0): a linear rise over the warmup, then the schedule's shape.

    >>> schedule = Schedule(shape="linear", warmup_ratio=0.5)
    >>> [learning_rate(step, steps=4, peak=1.0, schedule=schedule) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    warmup = math.ceil(steps * schedule.warmup_ratio) if schedule.warmup_steps is None else schedule.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if schedule.shape == "cosine":
        return peak * (1 + math.cos(math.pi * done)) / 2
    return peak * (1 - done) if schedule.shape == "linear" else peak
