"""Packed documents give what each would give alone, and the CUDA kernel is handed what it expects."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from templates.errors import InputError
from tests.train import tiny
from train.attention import NAME, VarlenKernel, choose_kernel, register, sdpa_varlen
from train.block_attention import block_varlen
from train.cpu_attention import cpu_varlen
from train.data import MicroBatch, micro_batch
from train.model import Trainee

LENGTHS = [7, 1, 12, 30]
KERNELS = pytest.mark.parametrize("kernel", [cpu_varlen, block_varlen, sdpa_varlen])


def packed() -> MicroBatch:
    ids = np.random.default_rng(1).integers(2, 258, size=sum(LENGTHS))
    return micro_batch(ids, ids, LENGTHS, ["a", "b", "c", "d"])


def trainee(kernel: VarlenKernel) -> Trainee:
    model = tiny.tiny_llama()
    model.set_attn_implementation(register(kernel))
    return Trainee(model).train()


@KERNELS
def test_packed_equals_unpacked_in_logits_and_gradients(kernel: VarlenKernel) -> None:
    batch, ours, plain = packed(), trainee(kernel), tiny.tiny_llama()
    logits = ours.model.lm_head(ours.hidden_states(batch))[0]
    documents = torch.split(batch.input_ids[0], LENGTHS)
    expected = torch.cat([plain(document.unsqueeze(0)).logits[0] for document in documents])
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)

    torch.autograd.backward(ours(batch))
    losses = [
        plain(document.unsqueeze(0), labels=document.unsqueeze(0)).loss * (len(document) - 1)
        for document in documents
        if len(document) > 1
    ]
    torch.autograd.backward(torch.stack(losses).sum())
    for (name, parameter), other in zip(ours.model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-4, atol=1e-5, msg=name)


@KERNELS
def test_a_token_of_another_document_changes_nothing(kernel: VarlenKernel) -> None:
    batch, model = packed(), trainee(kernel)
    before = model.hidden_states(batch)[0, LENGTHS[0] :]
    batch.input_ids[0, : LENGTHS[0]] = 2
    assert torch.equal(before, model.hidden_states(batch)[0, LENGTHS[0] :])


def flash_attn_varlen_reference(  # noqa: PLR0917 - flash-attn 2.8's own signature
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: Tensor | None = None,
) -> Tensor:
    """What the CUDA kernel computes and what it demands of its arguments, written out plainly."""
    tokens, heads, size = q.shape
    assert k.shape == v.shape == (tokens, heads // 2, size)
    assert q.dtype == k.dtype == v.dtype
    assert q.stride(-1) == k.stride(-1) == v.stride(-1) == 1
    assert causal and dropout_p == 0.0 and window_size == (-1, -1)
    assert softmax_scale is not None and softmax_scale == size**-0.5
    for lengths, longest in ((cu_seqlens_q, max_seqlen_q), (cu_seqlens_k, max_seqlen_k)):
        assert lengths.dtype == torch.int32 and lengths.is_contiguous()
        assert lengths[0] == 0 and lengths[-1] == tokens
        assert type(longest) is int and longest == lengths.diff().max()
    document = torch.repeat_interleave(torch.arange(len(cu_seqlens_q) - 1), cu_seqlens_q.diff())
    visible = (document[:, None] == document[None]) & torch.ones(tokens, tokens).tril().bool()
    keys, values = (part.repeat_interleave(2, dim=1) for part in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, keys) * softmax_scale
    weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, values)


def test_the_kernel_gets_flash_attns_arguments() -> None:
    batch, ours = packed(), trainee(cpu_varlen)
    expected = ours.hidden_states(batch)
    ours.model.set_attn_implementation(register(flash_attn_varlen_reference))
    torch.testing.assert_close(ours.hidden_states(batch), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("dtype", "kernel"), [(torch.float32, cpu_varlen), (torch.bfloat16, block_varlen)])
def test_cpus_have_one_operator_for_all_documents(dtype: torch.dtype, kernel: VarlenKernel) -> None:
    assert choose_kernel(torch.device("cpu"), dtype)[0] is kernel


@pytest.mark.parametrize(("dtype", "words"), [(torch.float32, "document by document"), (torch.bfloat16, "varia")])
def test_cuda_without_flash_attn_says_what_it_uses(dtype: torch.dtype, words: str) -> None:
    _, line = choose_kernel(torch.device("cuda"), dtype)
    assert words in line


@pytest.mark.parametrize("odd", [{"dropout": 0.1}, {"softcap": 30.0}, {"sliding_window": 4}])
def test_attention_that_the_kernels_do_not_compute_is_refused(odd: dict[str, Any]) -> None:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    register(sdpa_varlen)
    states = torch.zeros(1, 2, 8, 4)
    lengths = torch.tensor([0, 8], dtype=torch.int32)
    with pytest.raises(InputError):
        ALL_ATTENTION_FUNCTIONS[NAME](
            torch.nn.Module(), states, states, states, None, scaling=1.0, cu_seq_lens_q=lengths, max_length_q=8, **odd
        )
