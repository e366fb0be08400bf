"""Model FLOPs: what PyTorch itself counts, documents by themselves, and half as much backward where weights rest."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.train import tiny
from train import flops
from train.attention import register, sdpa_varlen
from train.data import micro_batch
from train.flops import work_of
from train.lora import add_adapters
from train.model import Trainee
from train.recipe import Lora


def counted(trainee: Trainee) -> float:
    """The FLOPs of matrix products, forward and backward, that PyTorch counts for 5 tokens without a head."""
    batch = micro_batch([3, 4, 5, 6, 7], [-100, -100, 5, -100, 7], [3, 2], ["a"])
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(trainee.hidden_states(batch).sum())
    products = (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm)
    return float(sum(counter.get_flop_counts()["Global"].get(product, 0) for product in products))


@pytest.mark.parametrize("rank", [0, 4])
def test_products_per_token_are_those_that_pytorch_counts(rank: int) -> None:
    model = tiny.tiny_llama()
    if rank:
        add_adapters(model, Lora(rank=rank))
    model.set_attn_implementation(register(sdpa_varlen))
    ours = work_of(model).per_token * 5
    # under adapters, the first layer's input needs no gradient, which is not worth a special case
    assert counted(Trainee(model).train()) == pytest.approx(ours, rel=0.15 if rank else 0)


def test_a_batch_counts_its_documents_and_its_supervised_tokens() -> None:
    work = flops.ModelWork(per_token=1000.0, per_supervised_token=100.0, per_squared_length=1.0)
    batch = micro_batch([3, 4, 5, 6, 7], [-100, -100, 5, -100, 7], [3, 2], ["a"])
    assert work.of(batch) == 5 * 1000 + 2 * 100 + 3**2 + 2**2


def test_a_known_gpu_is_looked_up_and_another_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flops, "measured_flops", lambda *_: 7.0)
    cuda, names = torch.device("cuda"), {"NVIDIA H100 PCIe": 756e12, "NVIDIA L4": 121e12, "NVIDIA L40S": 362e12, "X": 7}
    for name, peak in names.items():
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _, name=name: name)
        assert flops.peak_flops(cuda, torch.bfloat16) == peak
        assert flops.peak_flops(cuda, torch.float32) == 7


def test_a_matrix_product_is_measured_on_the_cpu() -> None:
    assert flops.peak_flops(torch.device("cpu"), torch.float32) > 1e9
