"""The compute type follows the machine, unless the recipe says which."""

import pytest
import torch

from train.model import compute_dtype
from train.recipe import Model

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("amx", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_where_the_cpu_multiplies_it_fast(
    amx: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    assert compute_dtype(Model(path="base"), CPU) == expected
    assert compute_dtype(Model(path="base"), CUDA) == torch.bfloat16


def test_the_recipe_may_choose() -> None:
    assert compute_dtype(Model(path="base", compute_dtype="float32"), CUDA) == torch.float32
    assert compute_dtype(Model(path="base", compute_dtype="bfloat16"), CPU) == torch.bfloat16
