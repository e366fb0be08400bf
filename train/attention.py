"""Attention over packed documents: no token sees another document, and no L x L mask is ever built.

Five kernels share one signature, that of flash-attn's `flash_attn_varlen_func`; the function that transformers calls
builds its arguments. A window of documents of 3 and 2 tokens has the cumulative lengths ``[0, 3, 5]``.
"""

import importlib.util
from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias, cast

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from templates.errors import InputError
from train.block_attention import block_varlen
from train.cpu_attention import cpu_varlen

NAME = "chaku_packed"


# (q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, *, softmax_scale, causal) -> as q.
# q is [tokens, heads, head size], k and v are [tokens, key heads, head size]; `cu_seqlens_*` are int32 [documents + 1].
VarlenKernel: TypeAlias = Callable[..., Tensor]


def sdpa_varlen(  # noqa: PLR0917 - flash-attn's signature
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
    """PyTorch's attention, a call for each document: for float32 on CUDA, which the other kernels do not take."""
    shared = q.shape[1] // k.shape[1]
    if shared > 1:
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
    ends = cu_seqlens_q.tolist()
    outputs = []
    for start, end in pairwise(ends):
        query, key, value = (states[start:end].transpose(0, 1).unsqueeze(0) for states in (q, k, v))
        output = scaled_dot_product_attention(query, key, value, is_causal=causal, scale=softmax_scale)
        outputs.append(output.squeeze(0).transpose(0, 1))
    return torch.cat(outputs)


def torch_varlen(  # noqa: PLR0917 - flash-attn's signature
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
    """PyTorch's own variable-length attention, for CUDA without flash-attn."""
    from torch.nn.attention.varlen import varlen_attn

    lengths = (cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k)
    window = (-1, 0 if causal else -1)
    output = varlen_attn(q, k, v, *lengths, scale=softmax_scale, window_size=window, enable_gqa=True)
    return cast("Tensor", output)


def choose_kernel(device: torch.device, dtype: torch.dtype) -> tuple[VarlenKernel, str]:
    """The kernel for a device and a compute type, and a line that says which it is."""
    if device.type == "cpu" and dtype == torch.bfloat16:
        return block_varlen, "bfloat16 products, by blocks of each document's queries"
    if device.type == "cpu":
        return cpu_varlen, "PyTorch's flash kernel for CPUs, document by document"
    if dtype == torch.float32:
        return sdpa_varlen, "PyTorch's scaled dot product, document by document"
    if importlib.util.find_spec("flash_attn") is None:
        return torch_varlen, "PyTorch's variable-length attention (flash-attn is not installed: chaku[flash-attn])"
    from flash_attn import flash_attn_varlen_func  # type: ignore[import-not-found]

    return flash_attn_varlen_func, "flash-attn's variable-length kernel"


def register(kernel: VarlenKernel) -> str:
    """Make the kernel known to transformers; returns the name to load a model with.

    No mask function is registered under the name, for which transformers then builds no mask at all.
    """

    def packed_attention(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: None,
        *,
        scaling: float,
        cu_seq_lens_q: Tensor,
        max_length_q: int,
        dropout: float = 0.0,
        sliding_window: int | None = None,
        softcap: float | None = None,
        s_aux: Tensor | None = None,
        **_: object,
    ) -> tuple[Tensor, None]:
        """From [1, heads, tokens, head size], as transformers calls it, to [1, tokens, heads, head size]."""
        _refuse_unsupported(dropout, softcap, s_aux, sliding_window, max_length_q)
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        output = kernel(
            q,
            k,
            v,
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            softmax_scale=scaling,
            causal=True,
        )
        return output.unsqueeze(0), None

    AttentionInterface.register(NAME, packed_attention)
    return NAME


def _refuse_unsupported(
    dropout: float, softcap: float | None, s_aux: Tensor | None, sliding_window: int | None, longest: int
) -> None:
    if dropout or softcap is not None or s_aux is not None:
        raise InputError("this model's attention has dropout, soft capping or sinks, which the kernels do not compute")
    if sliding_window is not None and longest > sliding_window:
        raise InputError(
            f"this model attends to {sliding_window} tokens and a document has {longest}; "
            f"prepare the data with --window {sliding_window}"
        )
