"""Cross-entropy at supervised positions only, in chunks, so that logits of a whole window never exist."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import linear

# Logits of 512 positions over 49,152 tokens are 50 MB in bfloat16 and 100 MB in float32.
CHUNK = 512


def token_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy summed over tokens, in float32.

    `hidden` is [supervised tokens, hidden size], `weight` the head [vocabulary, hidden size], `targets` [supervised
    tokens]. The gradients are computed with the loss, chunk by chunk, while the softmax is at hand; the backward pass
    then neither keeps logits nor computes them again (Liger Kernel, arXiv 2410.10989).
    """
    loss: Tensor = _TokenLoss.apply(hidden, weight, targets)  # type: ignore[no-untyped-call]
    return loss


class TokenScores(NamedTuple):
    """Sums over supervised tokens: cross-entropy, and how often the likeliest token was the right one."""

    loss: Tensor
    correct: Tensor


@torch.no_grad()
def token_scores(hidden: Tensor, weight: Tensor, targets: Tensor) -> TokenScores:
    """Loss and right guesses without gradients; arguments as for `token_loss`."""
    loss, correct = torch.zeros((), device=hidden.device), torch.zeros((), device=hidden.device)
    for start in range(0, len(targets), CHUNK):
        truth = targets[start : start + CHUNK]
        log_probabilities = _log_probabilities(hidden[start : start + CHUNK], weight)
        loss -= log_probabilities.gather(1, truth.unsqueeze(1)).sum()
        correct += (log_probabilities.argmax(dim=-1) == truth).sum()
    return TokenScores(loss, correct)


def _log_probabilities(hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.log_softmax(linear(hidden, weight), dim=-1, dtype=torch.float32)


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        loss = torch.zeros((), device=hidden.device)
        hidden_grad = torch.empty_like(hidden)
        # a frozen head (LoRA) saves a third of the products
        weight_grad = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None  # type: ignore[attr-defined]
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            log_probabilities = _log_probabilities(hidden[part], weight)
            truth = targets[part].unsqueeze(1)
            loss -= log_probabilities.gather(1, truth).sum()
            # The gradient of the logits: the softmax, less one at the truth.
            logits_grad = log_probabilities.exp_()
            logits_grad.scatter_add_(1, truth, logits_grad.new_full(truth.shape, -1.0))
            logits_grad = logits_grad.to(hidden.dtype)
            hidden_grad[part] = logits_grad @ weight
            if weight_grad is not None:
                weight_grad.addmm_(logits_grad.t(), hidden[part])
        ctx.save_for_backward(hidden_grad, weight_grad)  # type: ignore[arg-type]
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, loss_grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden_grad, weight_grad = ctx.saved_tensors  # type: ignore[attr-defined]
        return hidden_grad.mul_(loss_grad), None if weight_grad is None else weight_grad.mul_(loss_grad), None
