"""Loss and token accuracy on the assistant's tokens of held-out windows."""

from dataclasses import dataclass

import torch

from train.data import MicroBatch, Windows
from train.model import Trainee
from train.parallel import Ranks


@dataclass(frozen=True)
class HeldOut:
    """Means over the supervised tokens: cross-entropy in nats, and the share whose likeliest token was right."""

    loss: float
    accuracy: float
    supervised_tokens: int


@torch.no_grad()
def validate(trainee: Trainee, windows: Windows, *, limit: int, ranks: Ranks) -> HeldOut | None:
    """Held-out figures, the same on every rank; None where there is nothing to measure."""
    count = min(limit, len(windows))
    sums = torch.zeros(3, dtype=torch.float64)
    trainee.eval()
    # Every rank runs as many forward passes, since each gathers weights from all; surplus ones count nothing.
    for first in range(0, count, ranks.world_size):
        row = first + ranks.rank
        batch: MicroBatch = windows.take([min(row, count - 1)]).to(ranks.device)
        loss, correct = trainee(batch)
        if row < count:
            sums += torch.tensor([loss.item(), correct.item(), len(batch.targets)], dtype=torch.float64)
    trainee.train()
    total_loss, total_correct, tokens = ranks.sum(*sums.tolist())
    if not tokens:
        return None
    return HeldOut(loss=total_loss / tokens, accuracy=total_correct / tokens, supervised_tokens=int(tokens))
