"""What is written in the background, and what at once."""

import torch
from torch import nn

from train import writing


def test_tensors_that_cannot_be_copied_aside_are_told_from_plain_ones() -> None:
    """As torchao's averages in 8 bits are: a subclass that lacks what a copy needs."""

    class Packed(torch.Tensor):
        pass

    plain, packed = torch.zeros(2), torch.zeros(2).as_subclass(Packed)
    state = {"state": {"w": {"exp_avg": packed, "step": plain}}, "param_groups": [{"lr": plain, "params": ["w"]}]}
    found = list(writing._tensors(state))
    assert [writing._can_be_staged(tensor) for tensor in found] == [False, True, True]
    assert writing._can_be_staged(nn.Parameter(plain))
