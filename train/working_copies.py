"""A lone device that computes in another type: copies of the float32 weights, which the layers use in their place.

FSDP would gather, cast and reduce as among many ranks: a tenth of a step on a CPU (4.36 s, and 3.98 s with copies).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def compute_with_copies(module: nn.Module, dtype: torch.dtype, *, renewed_before: tuple[nn.Module, ...]) -> None:
    """Have a module's layers compute in `dtype`, while its parameters and their gradients stay float32.

    A copy takes its weight's place in the layer's own attributes, where it is found before the parameter; optimizer,
    state dict and `parameters()` go on to see the weight alone. Each gradient of a copy moves to its weight, in
    float32, as soon as it is whole. The copies follow the weights before the forward passes of `renewed_before`.

    >>> layer = nn.Linear(2, 1)
    >>> compute_with_copies(layer, torch.bfloat16, renewed_before=(layer,))
    >>> layer(torch.ones(1, 2, dtype=torch.bfloat16)).sum().backward()
    >>> layer.weight.dtype, [(weight.dtype, weight.grad.dtype) for weight in layer.parameters()]
    (torch.bfloat16, [(torch.float32, torch.float32), (torch.float32, torch.float32)])
    """
    copies: dict[nn.Parameter, Tensor] = {}
    for layer in module.modules():
        for name, weight in layer.named_parameters(recurse=False):
            if weight.dtype == torch.float32:
                if weight not in copies:  # a tied weight has one copy
                    copies[weight] = _copy(weight, dtype)
                vars(layer)[name] = copies[weight]
    renew = _renewer(copies)
    for part in renewed_before:
        part.register_forward_pre_hook(renew)


def _copy(weight: nn.Parameter, dtype: torch.dtype) -> Tensor:
    copy = weight.detach().to(dtype).requires_grad_(weight.requires_grad)

    def hand_over(copy: Tensor) -> None:
        grad, copy.grad = copy.grad, None
        assert grad is not None  # noqa: S101 - this is called when there is one
        if weight.grad is None:
            weight.grad = grad.float()
        else:
            weight.grad += grad

    if weight.requires_grad:
        copy.register_post_accumulate_grad_hook(hand_over)  # type: ignore[no-untyped-call]
    return copy


def _renewer(copies: dict[nn.Parameter, Tensor]) -> Callable[..., None]:
    """A forward hook that brings the copies up to date: in training always, in evaluation once.

    A weight's version would not tell whether it was written to: PyTorch's fused AdamW does not count it up.
    """
    is_stale = True

    @torch.no_grad()
    def renew(module: nn.Module, _: object) -> None:
        nonlocal is_stale
        if is_stale or module.training:
            torch._foreach_copy_(list(copies.values()), list(copies))
            is_stale = module.training

    return renew
