"""Cross-entropy at supervised positions only, in chunks, so that logits of a whole window never exist."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Logits of 256 positions over 49,152 tokens are 50 MB in float32. All chunks are written to the same memory: a CPU
# takes as long to hand out new pages as to fill them with logits.
CHUNK = 256


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
    for part, log_probabilities in _chunks(hidden, weight):
        truth = targets[part]
        loss -= log_probabilities.gather(1, truth.unsqueeze(1)).sum()
        correct += (log_probabilities.argmax(dim=-1) == truth).sum()
    return TokenScores(loss, correct)


def _chunks(hidden: Tensor, weight: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Chunks of the positions with their log-probabilities [positions, vocabulary], which last until the next chunk."""
    rows = min(CHUNK, len(hidden))
    logits = hidden.new_empty(rows, len(weight))
    log_probabilities = torch.empty_like(logits, dtype=torch.float32)
    exact_logits = logits if hidden.dtype == torch.float32 else torch.empty_like(log_probabilities)
    for start in range(0, len(hidden), CHUNK):
        part = hidden[start : start + CHUNK]
        count = len(part)
        torch.mm(part, weight.t(), out=logits[:count])
        if exact_logits is not logits:  # or `log_softmax` would take new memory for them each time
            exact_logits[:count].copy_(logits[:count])
        torch.log_softmax(exact_logits[:count], dim=-1, out=log_probabilities[:count])
        yield slice(start, start + count), log_probabilities[:count]


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        loss = torch.zeros((), device=hidden.device)
        hidden_grad = torch.empty_like(hidden)
        # a frozen head (LoRA) saves a third of the products
        weight_grad = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None  # type: ignore[attr-defined]
        for part, log_probabilities in _chunks(hidden, weight):
            truth = targets[part].unsqueeze(1)
            loss -= log_probabilities.gather(1, truth).sum()
            # The gradient of the logits: the softmax, less one at the truth.
            logits_grad = log_probabilities.exp_()
            logits_grad.scatter_add_(1, truth, logits_grad.new_full(truth.shape, -1.0))
            logits_grad = logits_grad.to(hidden.dtype)
            torch.mm(logits_grad, weight, out=hidden_grad[part])
            if weight_grad is not None:
                weight_grad.addmm_(logits_grad.t(), hidden[part])
        ctx.save_for_backward(hidden_grad, weight_grad)  # type: ignore[arg-type]
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, loss_grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden_grad, weight_grad = ctx.saved_tensors  # type: ignore[attr-defined]
        return hidden_grad.mul_(loss_grad), None if weight_grad is None else weight_grad.mul_(loss_grad), None
