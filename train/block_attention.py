"""Attention over packed documents on a CPU in bfloat16: products of a block of queries at a time, as one operator.

PyTorch's flash kernel for CPUs gains nothing from units that multiply bfloat16 fast (AMX, AVX512-BF16), and takes two
to three times as long on such a CPU (`benchmarks/attention.py`). Here scores and probabilities of a block of queries
are bfloat16, as in transformers' eager attention; none is kept for the backward pass, which computes them again.

A block's queries of all heads that share a key head are rows of one product. With 2 heads to a key head the queries
``[[a0, a1], [b0, b1]]`` of the tokens a and b become the rows ``[a0, a1, b0, b1]``, whose scores are

    a0  s  -inf        each row sees the keys up to its own token: the rows of a block
    a1  s  -inf        see all keys before the block, and of the block's own keys
    b0  s  s           what this triangle, each step as high as the shared heads, leaves them
    b1  s  s
"""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor

# The scores of a block fit a core's cache, and the product is still large enough to run at its full rate.
BLOCK = 192


def block_varlen(  # noqa: PLR0917 - flash-attn's signature
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
    """Causal attention within documents, in the states' own type; scores are rounded to it before the softmax."""
    return cast("Tensor", block_attention(q, k, v, cu_seqlens_q, softmax_scale))


@torch.library.custom_op("chaku::block_attention", mutates_args=())
def block_attention(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, scale: float) -> Tensor:
    """Causal attention [tokens, heads, head size] within the documents that `ends` [documents + 1] delimits.

    `q` is [tokens, heads, head size], `k` and `v` are [tokens, key heads, head size].
    """
    heads = k.shape[1]
    queries, keys, values = _rows(q, heads), _rows(k, heads), _rows(v, heads)
    outputs = torch.empty_like(queries)
    for rows, seen, own in _blocks(ends, q.shape[1] // heads):
        weights = _probabilities(queries[:, rows], keys[:, seen], own, scale)
        outputs[:, rows] = torch.bmm(weights, values[:, seen])
    return _heads(outputs, q)


@torch.library.custom_op("chaku::block_attention_backward", mutates_args=())
def block_attention_backward(  # noqa: PLR0917 - an operator has no keywords
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, ends: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v; those of keys and values are summed over blocks in float32."""
    heads = k.shape[1]
    grads, queries, keys, values = (_rows(states, heads) for states in (grad, q, k, v))
    query_grads = torch.empty_like(queries)
    key_grads, value_grads = (torch.zeros_like(states, dtype=torch.float32) for states in (keys, values))
    for rows, seen, own in _blocks(ends, q.shape[1] // heads):
        weights = _probabilities(queries[:, rows], keys[:, seen], own, scale)
        value_grads[:, seen] += torch.bmm(weights.mT, grads[:, rows])
        weight_grads = torch.bmm(grads[:, rows], values[:, seen].mT)
        score_grads = torch.ops.aten._softmax_backward_data(weight_grads, weights, -1, q.dtype)
        query_grads[:, rows] = _scaled_product(score_grads, keys[:, seen], scale)
        key_grads[:, seen] += _scaled_product(score_grads.mT, queries[:, rows], scale)
    return _heads(query_grads, q), _heads(key_grads, k), _heads(value_grads, v)


def _rows(states: Tensor, key_heads: int) -> Tensor:
    """From [tokens, heads, head size] to [key heads, tokens x shared heads, head size]."""
    tokens, heads, size = states.shape
    shared = heads // key_heads
    return states.reshape(tokens, key_heads, shared, size).transpose(0, 1).reshape(key_heads, -1, size).contiguous()


def _heads(rows: Tensor, like: Tensor) -> Tensor:
    """From rows of each key head back to the shape and type of `like`, [tokens, heads, head size]."""
    tokens, heads, size = like.shape
    key_heads = len(rows)
    states = like.new_empty(tokens, key_heads, heads // key_heads, size)
    return states.copy_(rows.view(key_heads, tokens, -1, size).transpose(0, 1)).view(like.shape)


def _blocks(ends: Tensor, shared: int) -> Iterator[tuple[slice, slice, int]]:
    """Of each block of a document: the rows of its queries, the keys that they see, and how many of those are its own.

    With documents of 3 and 1 tokens, 2 heads to a key head and blocks of 2: rows 0 to 4 see keys 0 to 2, of which 2
    are their own; rows 4 to 6 see keys 0 to 3, of which 1; rows 6 to 8 see key 3, of which 1.
    """
    for start, end in pairwise(ends.tolist()):
        for first in range(start, end, BLOCK):
            last = min(first + BLOCK, end)
            yield slice(first * shared, last * shared), slice(start, last), last - first


def _probabilities(queries: Tensor, keys: Tensor, own: int, scale: float) -> Tensor:
    """The softmax of the scores [key heads, rows, keys], of whose keys the last `own` are the block's."""
    scores = _scaled_product(queries, keys.mT, scale)
    rows = scores.shape[1]
    scores[..., -own:].add_(_triangle(rows // own, scores.dtype)[:rows, :own])
    return torch.softmax(scores, dim=-1)


def _scaled_product(left: Tensor, right: Tensor, scale: float) -> Tensor:
    return torch.baddbmm(left.new_empty(()), left, right, beta=0, alpha=scale)


@cache
def _triangle(shared: int, dtype: torch.dtype) -> Tensor:
    """What to add to the scores [shared x BLOCK, BLOCK] of a block's own keys: minus infinity at those to come."""
    later = torch.full((BLOCK, BLOCK), float("-inf"), dtype=dtype).triu(diagonal=1)
    return later.repeat_interleave(shared, dim=0)


@block_attention.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, scale: float) -> Tensor:
    return q.new_empty(q.shape)


@block_attention_backward.register_fake
def _(  # noqa: PLR0917
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, ends: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
    *states, ctx.scale = inputs
    ctx.save_for_backward(*states)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    return (*block_attention_backward(grad, *ctx.saved_tensors, ctx.scale), None, None)


block_attention.register_autograd(_gradients, setup_context=_keep)
