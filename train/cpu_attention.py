"""Attention over packed documents on a CPU in float32: PyTorch's flash kernel, document by document, as one operator.

The operator writes each document's part straight into the whole window's tensors, where autograd would slice the
states, pad the gradients with zeros and add them up; for the backward pass one copy of the output is kept, and none of
the repeated keys and values. torch.compile sees one operator and compiles the layer around it whole.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def cpu_varlen(  # noqa: PLR0917 - flash-attn's signature
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    *,
    softmax_scale: float,
    causal: bool,
) -> Tensor:
    """Causal attention within documents, computed in float32 whatever the states' type."""
    output, _ = document_attention(q, k, v, cu_seqlens_q, softmax_scale)
    return cast("Tensor", output)


@torch.library.custom_op("chaku::document_attention", mutates_args=())
def document_attention(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The outputs [tokens, heads, head size] and the logarithms of the softmax's sums [tokens, heads]."""
    output, log_sums = q.new_empty(q.shape), q.new_empty(q.shape[:2], dtype=torch.float32)
    shared = q.shape[1] // k.shape[1]
    for part in _documents(ends):
        states = (_of(q, part), _of(k, part, shared), _of(v, part, shared))
        attended, sums = _forward(*states, 0.0, True, attn_mask=None, scale=scale)
        output[part], log_sums[part] = attended[0].transpose(0, 1), sums[0].t()
    return output, log_sums


@torch.library.custom_op("chaku::document_attention_backward", mutates_args=())
def document_attention_backward(  # noqa: PLR0917 - an operator has no keywords
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, output: Tensor, log_sums: Tensor, ends: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v; those of a shared key head are the sums over the heads that share it."""
    grads = (torch.empty_like(q), torch.empty_like(k), torch.empty_like(v))
    heads = k.shape[1]
    shared = q.shape[1] // heads
    for part in _documents(ends):
        states = (_of(q, part), _of(k, part, shared), _of(v, part, shared))
        sums = log_sums[part].t().unsqueeze(0)
        found = _backward(_of(grad, part), *states, _of(output, part), sums, 0.0, True, attn_mask=None, scale=scale)
        for whole, of_part in zip(grads, found, strict=True):
            of_heads = of_part[0] if whole is grads[0] else of_part[0].unflatten(0, (heads, shared)).sum(dim=1)
            whole[part] = of_heads.transpose(0, 1)
    return grads


def _documents(ends: Tensor) -> Iterator[slice]:
    return (slice(start, end) for start, end in pairwise(ends.tolist()))


def _of(states: Tensor, part: slice, times: int = 1) -> Tensor:
    """A document's states as [1, heads, tokens, head size], each head `times` times."""
    own = states[part].transpose(0, 1).float()
    return (own.repeat_interleave(times, dim=0) if times > 1 else own).unsqueeze(0)


@document_attention.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    return q.new_empty(q.shape), q.new_empty(q.shape[:2], dtype=torch.float32)


@document_attention_backward.register_fake
def _(  # noqa: PLR0917
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, output: Tensor, log_sums: Tensor, ends: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ANN401
    *states, ctx.scale = inputs
    ctx.save_for_backward(*states, *output)


def _gradients(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    q, k, v, ends, output, log_sums = ctx.saved_tensors
    return (*document_attention_backward(grad, q, k, v, output, log_sums, ends, ctx.scale), None, None)


document_attention.register_autograd(_gradients, setup_context=_keep)
