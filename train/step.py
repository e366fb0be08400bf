"""One optimizer step: forward and backward over its micro-batches, and the update."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from templates.errors import InputError
from train.data import MicroBatch
from train.model import Trainee
from train.parallel import Ranks, gradient_norm


@dataclass(frozen=True)
class Taken:
    """A step's figures over all ranks: mean loss of the supervised tokens, norm of the gradient before clipping."""

    loss: float
    grad_norm: float
    tokens: int
    supervised_tokens: int


def train_step(
    trainee: Trainee,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[MicroBatch],
    *,
    max_grad_norm: float,
    ranks: Ranks,
    seed: int,
    step: int,
    last_good: Callable[[], Path | None],
) -> Taken:
    """Take one step (counted from 0) with this rank's micro-batches.

    Every supervised token of the step weighs the same, in whichever micro-batch and on whichever rank it stands.
    What a micro-batch draws at random (noise, dropout) follows from the seed, the step and its place in it alone.
    Raises InputError, with the step and the windows' conversations, where there is no such token, or where the loss
    or the gradient is not a number; the weights are then untouched, and what `last_good` returns is named as the
    checkpoint to return to.
    """
    tokens, supervised = ranks.sum(
        sum(batch.input_ids.numel() for batch in batches), sum(len(batch.targets) for batch in batches)
    )
    if supervised == 0:
        raise InputError(f"step {step + 1}: its windows have no supervised token; take more --batch.windows_per_step")
    losses = []
    for place, batch in enumerate(batches):
        _seed(seed, step, place * ranks.world_size + ranks.rank)
        loss = trainee(batch.to(ranks.device)) / supervised
        loss.backward()
        losses.append(loss.detach())
    shares = torch.stack(losses).tolist()
    [total] = ranks.sum(sum(shares))
    if not math.isfinite(total):
        sources = _conversations(shares, batches, ranks)
        raise _not_a_number("loss", total, step=step, sources=sources, last_good=last_good())
    norm = gradient_norm(trainee, max_norm=max_grad_norm)
    if not math.isfinite(norm):  # a finite loss can have such a gradient; the weights must not take it
        sources = _conversations([math.nan] * len(batches), batches, ranks)
        raise _not_a_number("gradient's norm", norm, step=step, sources=sources, last_good=last_good())
    optimizer.step()
    optimizer.zero_grad()
    return Taken(loss=total, grad_norm=norm, tokens=int(tokens), supervised_tokens=int(supervised))


def _seed(*numbers: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1)))


def _not_a_number(what: str, value: float, *, step: int, sources: str, last_good: Path | None) -> InputError:
    checkpoint = f"the last good checkpoint is {last_good}" if last_good else "there is no checkpoint yet"
    return InputError(
        f"step {step + 1}: the {what} is {value} in windows with the conversations {sources}; {checkpoint}. "
        "Look at those conversations, or lower --optimizer.lr"
    )


def _conversations(shares: Sequence[float], batches: Sequence[MicroBatch], ranks: Ranks) -> str:
    """The conversations of the micro-batches whose loss is not a number, from all ranks."""
    ours = [
        source
        for share, batch in zip(shares, batches, strict=True)
        if not math.isfinite(share)
        for source in batch.sources
    ]
    everyone: list[list[str]] = [[] for _ in range(ranks.world_size)]
    dist.all_gather_object(everyone, ours)
    sources = sorted({source for theirs in everyone for source in theirs})
    return ", ".join(sources[:8]) + (f" and {len(sources) - 8} more" if len(sources) > 8 else "")
