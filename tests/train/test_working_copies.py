"""A lone device that computes in bfloat16: its copies follow the weights, and gradients arrive in float32."""

import copy

import pytest
import torch
from torch import nn

from tests.train import tiny
from tests.train.test_loss import batch, windows
from train.attention import register
from train.block_attention import block_varlen
from train.model import Trainee
from train.working_copies import compute_with_copies


@pytest.fixture
def trainee() -> Trainee:
    model = tiny.tiny_llama()
    model.set_attn_implementation(register(block_varlen))
    return Trainee(model).train()


def with_copies(trainee: Trainee) -> Trainee:
    compute_with_copies(trainee, torch.bfloat16, renewed_before=(trainee, trainee.model))
    return trainee


def in_bfloat16(trainee: Trainee) -> Trainee:
    """The same weights held in bfloat16, without copies; buffers, as that of the rotation, stay as they are."""
    plain = copy.deepcopy(trainee)
    for layer in plain.modules():
        for name, weight in layer.named_parameters(recurse=False):
            vars(layer).pop(name, None)
            weight.data = weight.data.bfloat16()
    return plain


def test_it_computes_what_a_model_in_that_type_computes(trainee: Trainee) -> None:
    rows = batch(windows(2))
    plain = in_bfloat16(trainee)
    torch.autograd.backward([ours := with_copies(trainee)(rows), theirs := plain(rows)])
    assert torch.equal(ours, theirs)
    for (name, weight), other in zip(trainee.named_parameters(), plain.parameters(), strict=True):
        assert weight.dtype == torch.float32
        assert weight.grad is not None and other.grad is not None
        assert torch.equal(weight.grad, other.grad.float()), name


def test_gradients_of_micro_batches_add_up_in_float32(trainee: Trainee) -> None:
    first, second = batch(windows(2)), batch(windows(2)[1:])
    parts = []
    for rows in (first, second):
        single = with_copies(copy.deepcopy(trainee))
        torch.autograd.backward(single(rows))
        parts.append([weight.grad for weight in single.parameters() if weight.grad is not None])
    both = with_copies(trainee)
    for rows in (first, second):
        torch.autograd.backward(both(rows))
    sums = [one + other for one, other in zip(*parts, strict=True)]
    assert all(torch.equal(weight.grad, total) for weight, total in zip(both.parameters(), sums, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("training", [True, False])
def test_the_copies_follow_the_fused_optimizer(trainee: Trainee, training: bool) -> None:
    rows = batch(windows(2))
    optimizer = torch.optim.AdamW(with_copies(trainee).parameters(), lr=0.01, fused=True)
    torch.autograd.backward(trainee(rows))
    optimizer.step()
    fresh = in_bfloat16(trainee.train(training))
    with torch.no_grad():
        found, expected = trainee(rows), fresh(rows)
    assert torch.equal(*((found, expected) if training else (found.loss, expected.loss)))


def test_a_tied_weight_has_one_copy_and_all_its_gradient(trainee: Trainee) -> None:
    model = with_copies(trainee).model
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert [name for name, _ in trainee.named_parameters()] == [
        f"model.{name}" for name, _ in tiny.tiny_llama().named_parameters()
    ]
    assert {weight.dtype for weight in trainee.state_dict().values()} == {torch.float32}


def test_what_is_frozen_has_a_copy_without_a_gradient(trainee: Trainee) -> None:
    norm: nn.Parameter = trainee.model.model.norm.weight
    norm.requires_grad_(False)
    torch.autograd.backward(with_copies(trainee)(batch(windows(2))))
    assert norm.grad is None
    assert not trainee.model.model.norm.weight.requires_grad


def test_recomputation_in_the_backward_pass_finds_the_copies(trainee: Trainee) -> None:
    rows, kept = batch(windows(2)), with_copies(copy.deepcopy(trainee))
    torch.autograd.backward(kept(rows))
    trainee.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    torch.autograd.backward(with_copies(trainee)(rows))
    grads = [[weight.grad for weight in one.parameters()] for one in (kept, trainee)]
    torch.testing.assert_close(*grads, rtol=0, atol=0)


def test_a_compiled_layer_reads_the_copies(trainee: Trainee) -> None:
    rows, plain = batch(windows(2)), with_copies(copy.deepcopy(trainee))
    for layer in with_copies(trainee).model.model.layers:
        layer.compile(fullgraph=True, backend="aot_eager")
    for one in (plain, trainee):
        torch.autograd.backward(one(rows))
    grads = [[weight.grad for weight in one.parameters()] for one in (plain, trainee)]
    torch.testing.assert_close(*grads, rtol=1e-2, atol=1e-3)
