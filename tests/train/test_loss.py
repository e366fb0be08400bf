"""The chunked loss is the plain one, and no split of a step into micro-batches changes a gradient."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.tensor import DTensor

from tests.train import tiny
from train import loss
from train.attention import register
from train.cpu_attention import cpu_varlen
from train.data import MicroBatch, micro_batch
from train.model import Trainee
from train.optimizer import adamw
from train.parallel import Ranks, process_group, shard
from train.recipe import Optimizer
from train.step import train_step


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    with process_group() as group:
        yield group


def windows(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(3)
    return [dict(tiny.random_window(random, str(row))) for row in range(count)]


def batch(rows: list[dict[str, Any]]) -> MicroBatch:
    return micro_batch(**{name: [item for row in rows for item in row[name]] for name in tiny.SCHEMA.names})


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_loss_and_gradients_are_plain_cross_entropy(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK", chunk)
    torch.manual_seed(0)
    hidden = torch.randn(23, 16, requires_grad=True)
    weight = torch.randn(40, 16, requires_grad=True)
    targets = torch.randint(0, 40, (23,))
    ours = loss.token_loss(hidden, weight, targets)
    gradients = torch.autograd.grad(ours * 0.5, [hidden, weight])
    logits = hidden @ weight.t()
    plain = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(gradients, torch.autograd.grad(plain * 0.5, [hidden, weight]))
    scores = loss.token_scores(hidden, weight, targets)
    torch.testing.assert_close(scores.loss, plain.detach())
    assert scores.correct == (logits.argmax(-1) == targets).sum()


def test_a_windows_loss_is_hugging_faces_loss_of_its_documents() -> None:
    [row] = windows(1)
    model = tiny.tiny_llama()
    expected, start = 0.0, 0
    for length in row["document_lengths"]:
        part = slice(start, start + length)
        ids, labels = torch.tensor(row["input_ids"][part]), torch.tensor(row["labels"][part])
        expected += model(ids[None], labels=labels[None]).loss.item() * int((labels[1:] != -100).sum())
        start += length
    model.set_attn_implementation(register(cpu_varlen))
    assert Trainee(model).train()(batch([row])).item() == pytest.approx(expected, rel=1e-5)


def whole_weights(trainee: Trainee) -> list[torch.Tensor]:
    return [weight.full_tensor() if isinstance(weight, DTensor) else weight.detach() for weight in trainee.parameters()]


@pytest.mark.parametrize("split", [[8], [2, 2, 2, 2], [1] * 8, [5, 3]])
def test_accumulation_changes_nothing(split: list[int], ranks: Ranks) -> None:
    rows = windows(8)
    results = []
    for sizes in ([8], split):
        model = tiny.tiny_llama()
        model.set_attn_implementation(register(cpu_varlen))
        trainee, starts = Trainee(model).train(), np.cumsum([0, *sizes])
        shard(trainee, compute_dtype=torch.float32, ranks=ranks)
        batches = [batch(rows[start : start + size]) for start, size in zip(starts, sizes, strict=False)]
        # With AdamW's usual eps a first step is the gradient's sign: rounding decides it where a gradient is near zero.
        optimizer = adamw(trainee, Optimizer(lr=1e-3, eps=1e-3))
        taken = train_step(
            trainee, optimizer, batches, max_grad_norm=1.0, ranks=ranks, seed=0, step=0, last_good=lambda: None
        )
        results.append((taken.loss, taken.grad_norm, whole_weights(trainee)))
    (whole_loss, whole_norm, whole), (loss_in_parts, norm, parts) = results
    assert loss_in_parts == pytest.approx(whole_loss, rel=1e-6)
    assert norm == pytest.approx(whole_norm, rel=1e-5)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
