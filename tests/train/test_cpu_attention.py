"""The operator over PyTorch's CPU kernel: attention within documents, forward and backward, compiled or not."""

import pytest
import torch
from torch import Tensor

from train.attention import VarlenKernel, sdpa_varlen
from train.cpu_attention import cpu_varlen, document_attention

HEADS, SIZE = 6, 16
LENGTHS = [[7], [1], [5, 1, 1, 20], [1] * 4, [64, 33, 2]]


def states(length: int, key_heads: int, dtype: torch.dtype) -> list[Tensor]:
    """Random q, k and v, laid out as transformers' heads are: a transposed view."""
    torch.manual_seed(length)
    made = [torch.randn(heads, length, SIZE).to(dtype).transpose(0, 1) for heads in (HEADS, key_heads, key_heads)]
    return [part.requires_grad_() for part in made]


def attended(kernel: VarlenKernel, states: list[Tensor], lengths: list[int]) -> list[Tensor]:
    """The output, and the gradients of q, k and v for one random gradient of the output."""
    ends = torch.tensor([0, *lengths]).cumsum(0).int()
    longest = max(lengths)
    q, k, v = states
    output = kernel(q, k, v, ends, ends, longest, longest, softmax_scale=0.3, causal=True)
    torch.manual_seed(1)
    grads = torch.autograd.grad(output, states, torch.randn(output.shape).to(output.dtype))
    return [output.detach(), *grads]


@pytest.mark.parametrize("key_heads", [HEADS, 2, 1])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_it_is_pytorchs_attention_of_each_document(lengths: list[int], key_heads: int) -> None:
    made = states(sum(lengths), key_heads, torch.float32)
    ours, theirs = (attended(kernel, made, lengths) for kernel in (cpu_varlen, sdpa_varlen))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_in_bfloat16_only_the_rounding_differs(lengths: list[int]) -> None:
    rounded = states(sum(lengths), 2, torch.bfloat16)
    exact = [part.detach().float().requires_grad_() for part in rounded]
    ours, truth = attended(cpu_varlen, rounded, lengths), attended(sdpa_varlen, exact, lengths)
    assert {part.dtype for part in ours} == {torch.bfloat16}
    torch.testing.assert_close([part.float() for part in ours], truth, rtol=2e-2, atol=3e-2)


def test_the_operator_keeps_pytorchs_contract() -> None:
    q, k, v = states(9, 2, torch.float32)
    ends = torch.tensor([0, 4, 5, 9], dtype=torch.int32)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    outcome = torch.library.opcheck(document_attention, (q, k, v, ends, 0.25), test_utils=tests)
    assert set(outcome.values()) == {"SUCCESS"}


def test_a_compiler_sees_one_operator() -> None:
    q, k, v = states(9, 2, torch.float32)

    def layer(q: Tensor, k: Tensor, v: Tensor, ends: Tensor) -> Tensor:
        return cpu_varlen(q * 2, k, v, ends, ends, 4, 4, softmax_scale=0.3, causal=True) + 1

    ends = torch.tensor([0, 4, 5, 9], dtype=torch.int32)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")  # raises where it would have to break off
    torch.testing.assert_close(compiled(q, k, v, ends), layer(q, k, v, ends))
