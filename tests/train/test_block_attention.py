"""Attention by blocks of queries: that of each document, whatever the blocks; rounded no worse than eager attention."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.train.test_cpu_attention import LENGTHS, attended, states
from train import block_attention
from train.attention import sdpa_varlen
from train.block_attention import block_varlen

AROUND_A_BLOCK = [[block_attention.BLOCK + extra] for extra in (-1, 0, 1)]


@pytest.mark.parametrize("key_heads", [6, 2, 1])
@pytest.mark.parametrize("lengths", [*LENGTHS, *AROUND_A_BLOCK, [400, 3, 200]], ids=str)
def test_it_is_pytorchs_attention_of_each_document(lengths: list[int], key_heads: int) -> None:
    made = states(sum(lengths), key_heads, torch.float32)
    ours, theirs = (attended(kernel, made, lengths) for kernel in (block_varlen, sdpa_varlen))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6), block=st.integers(1, 20))
def test_the_size_of_a_block_changes_nothing(lengths: list[int], block: int) -> None:
    made = states(sum(lengths), 2, torch.float64)
    expected = attended(sdpa_varlen, made, lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_attention, "BLOCK", block)
        block_attention._triangle.cache_clear()
        found = attended(block_varlen, made, lengths)
    block_attention._triangle.cache_clear()
    # gradients of keys and values are summed in float32
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lengths", [*LENGTHS, [500]], ids=str)
def test_bfloat16_rounds_no_worse_than_eager_attention(lengths: list[int]) -> None:
    rounded = states(sum(lengths), 2, torch.bfloat16)
    truth = attended(sdpa_varlen, [part.detach().double().requires_grad_() for part in rounded], lengths)
    ours, eager = (attended(kernel, rounded, lengths) for kernel in (block_varlen, eager_varlen))
    assert {part.dtype for part in ours} == {torch.bfloat16}
    for mine, theirs, exact in zip(ours, eager, truth, strict=True):
        assert error(mine, exact) <= 1.3 * error(theirs, exact) + 1e-3


def eager_varlen(
    q: Tensor, k: Tensor, v: Tensor, ends: Tensor, *_: object, softmax_scale: float, causal: bool
) -> Tensor:
    """As transformers' eager attention computes it: scores in the states' type, their softmax in float32."""
    assert causal
    outputs = []
    for part in (slice(start, end) for start, end in torch.stack([ends[:-1], ends[1:]], dim=1).tolist()):
        query, key, value = (states[part].transpose(0, 1) for states in (q, k, v))
        key, value = (states.repeat_interleave(q.shape[1] // k.shape[1], dim=0) for states in (key, value))
        scores = query @ key.mT * softmax_scale
        scores = scores + torch.full_like(scores, float("-inf")).triu(diagonal=1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
        outputs.append((weights @ value).transpose(0, 1))
    return torch.cat(outputs)


def error(found: Tensor, exact: Tensor) -> float:
    """The relative error in the Frobenius norm; 0 where nothing but zeros is expected and found."""
    difference = float((found.double() - exact).norm())
    return difference / max(float(exact.norm()), 1e-30) if difference else 0.0


def test_the_operator_keeps_pytorchs_contract() -> None:
    q, k, v = states(9, 2, torch.float32)
    ends = torch.tensor([0, 4, 5, 9], dtype=torch.int32)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_static")
    outcome = torch.library.opcheck(block_attention.block_attention, (q, k, v, ends, 0.25), test_utils=tests)
    assert set(outcome.values()) == {"SUCCESS"}


def test_results_lie_in_memory_as_a_compiler_is_told() -> None:
    """One query head to a key head once gave gradients in another order of dimensions than the fake ones."""
    q, k, v = (part.detach() for part in states(9, 6, torch.bfloat16))
    ends = torch.tensor([0, 9], dtype=torch.int32)
    real = block_attention.block_attention_backward(q, q, k, v, ends, 0.25)
    assert [part.is_contiguous() for part in (block_attention.block_attention(q, k, v, ends, 0.25), *real)] == [
        True
    ] * 4
