"""What a dry run checks: where supervision begins and ends, where the gradient goes, how the saved model stops."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

import templates
from templates.errors import InputError
from train.data import MicroBatch
from train.model import Trainee, saved_dtype
from train.run import Run

_QUESTION = "Hello! Who are you?"
# Total variation between next-token probabilities; rounding float32 weights to bfloat16 moves them by about 0.01.
_MOST_DIFFERENCE = 0.1


def check_supervision(batch: MicroBatch, encoder: templates.Encoder) -> str:
    """How many supervised stretches follow the assistant's opening and end with the stop token; refuses none."""
    ids = batch.input_ids[0].tolist()
    if not batch.positions.numel():
        raise InputError("the first windows have no supervised token; take more --batch.windows_per_micro_batch")
    stretches = list(_stretches(batch.positions))
    opening = opening_of(encoder)
    opened = sum(encoder.decode(ids[max(0, first - 64) : first]).rstrip().endswith(opening) for first, _ in stretches)
    ended = sum(_ends(encoder, ids[first : last + 1]) for first, last in stretches)
    if not opened:
        raise InputError(f"none of {len(stretches)} supervised stretches in the first windows follows {opening!r}")
    if not ended:
        raise InputError(
            f"none of {len(stretches)} supervised stretches in the first windows ends with {encoder.stop!r}: the model "
            "would never learn to stop; prepare the data again"
        )
    return (
        f"{len(batch.targets):,} of {len(ids):,} tokens, in {len(stretches)} stretches: {opened} follow {opening!r}, "
        f"{ended} end with {encoder.stop!r} (the others go on from or into another window)"
    )


def opening_of(encoder: templates.Encoder) -> str:
    """What stands between the last message and the reply, its last line: `ASSISTANT:` in Vicuna's format."""
    text = encoder.render([{"role": "user", "content": _QUESTION}], add_generation_prompt=True)
    return text.rpartition(_QUESTION)[2].strip().rsplit("\n", 1)[-1]


@contextmanager
def watched_gradient(trainee: Trainee) -> Iterator[list[Tensor]]:
    """Keep the last hidden states [1, T, hidden size] of each forward pass within, with their gradients."""
    caught: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: BaseModelOutputWithPast) -> None:
        assert output.last_hidden_state is not None  # noqa: S101 - transformers types it as optional
        output.last_hidden_state.retain_grad()
        caught.append(output.last_hidden_state)

    handle = trainee.model.base_model.register_forward_hook(keep)
    try:
        yield caught
    finally:
        handle.remove()


def check_gradient(states: Tensor, batch: MicroBatch) -> str:
    """That the loss sent its gradient back through the states before supervised tokens, and through no others."""
    assert states.grad is not None  # noqa: S101 - the step went backward
    reached = states.grad[0].ne(0).any(dim=1).nonzero().squeeze(1).cpu()
    expected = batch.positions.cpu()
    if not torch.equal(reached, expected):
        differing = sorted(set(reached.tolist()) ^ set(expected.tolist()))
        raise InputError(
            f"the gradient reaches {len(reached)} positions and {len(expected)} are supervised, with differences at "
            f"{differing[:5]}: this model would not train on the assistant's tokens alone"
        )
    others = batch.input_ids.numel() - len(expected)
    return f"reaches the {len(expected):,} positions that predict assistant tokens, and none of the other {others:,}"


def check_reloaded(run: Run, directory: Path) -> dict[str, str]:
    """What plain transformers makes of the saved model: the same next token, and a reply that can end."""
    asked = run.inputs.encoder.encode_prompt([{"role": "user", "content": _QUESTION}])
    ours = _next_probabilities(run, asked)
    found: list[dict[str, str] | str] = [{}]
    if run.ranks.is_first:
        try:
            found = [_compare(run, directory, asked, ours)]
        except InputError as error:
            found = [str(error)]
    dist.broadcast_object_list(found, src=0, device=run.ranks.device)
    if isinstance(found[0], str):
        raise InputError(found[0])
    return found[0]


@torch.no_grad()
def _next_probabilities(run: Run, asked: list[int]) -> Tensor:
    """The trainer's own probabilities [vocabulary] of the first token of a reply; all ranks call this."""
    model = run.trainee.model
    implementation = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    run.trainee.eval()
    logits = run.trainee.next_logits(torch.tensor([asked], device=run.ranks.device), DynamicCache(config=model.config))
    model.set_attn_implementation(implementation)
    return logits[0].float().softmax(dim=-1).cpu()


@torch.no_grad()
def _compare(run: Run, directory: Path, asked: list[int], ours: Tensor) -> dict[str, str]:
    encoder, model = run.inputs.encoder, _reloaded(run, directory)
    ids = torch.tensor([asked])
    theirs = model(ids).logits[0, -1].float().softmax(dim=-1)
    difference = float((ours - theirs).abs().sum() / 2)
    if difference > _MOST_DIFFERENCE:
        raise InputError(f"the saved model's next token differs from the trainer's: {difference:.0%} total variation")
    config = model.generation_config
    listed = [config.eos_token_id] if isinstance(config.eos_token_id, int) else config.eos_token_id
    if (encoder.stop_ids and listed != encoder.stop_ids) or (config.stop_strings or []) != encoder.stop_strings:
        raise InputError(f"the saved model stops at {listed}, and its template's replies end with {encoder.stop!r}")
    written = generated(model, ids, max_new_tokens=32)
    stopped = bool(encoder.stop_ids) and written[-1] in encoder.stop_ids
    rows = {
        "saved model, read back": f"its next token differs from the trainer's by {difference:.2%} (total variation)",
        "a reply of the saved model": f"{encoder.decode(written)!r} ({'ended by the model' if stopped else 'cut'})",
    }
    if encoder.stop_ids:
        forced = generated(model, ids, max_new_tokens=8, sequence_bias={(encoder.stop_ids[0],): 1e4})
        if forced != encoder.stop_ids[:1]:
            raise InputError(f"the saved model goes on after {encoder.stop!r}: {encoder.decode(forced)!r}")
        rows["stop token"] = f"{encoder.stop!r} (id {encoder.stop_ids[0]}) ends a reply of the saved model"
    return rows


def _reloaded(run: Run, directory: Path) -> PreTrainedModel:
    if run.recipe.lora.rank:
        from train.merge import merged

        return merged(run.recipe.model.path, directory, run.inputs.config)
    dtype = saved_dtype(run.inputs.config)
    plain: PreTrainedModel = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, trust_remote_code=False)
    return plain


def generated(model: PreTrainedModel, ids: Tensor, **options: object) -> list[int]:
    """The ids that plain transformers writes after a prompt [1, T], greedily."""
    attention = torch.ones_like(ids)
    written = model.generate(ids, attention_mask=attention, do_sample=False, **options)  # type: ignore[operator]
    return [int(token) for token in written[0, ids.shape[1] :]]


def _stretches(positions: Tensor) -> Iterator[tuple[int, int]]:
    """The first and last supervised token of each unbroken stretch; position p predicts token p + 1.

    Positions ``[3, 4, 5, 9]`` give tokens ``(4, 6)`` and ``(10, 10)``.
    """
    tokens = (positions + 1).tolist()
    first = tokens[0]
    for token, following in zip(tokens, [*tokens[1:], -1], strict=True):
        if following != token + 1:
            yield first, token
            first = following


def _ends(encoder: templates.Encoder, ids: list[int]) -> bool:
    if encoder.stop_ids:
        return ids[-1] in encoder.stop_ids
    return encoder.decode(ids).endswith(encoder.stop)
