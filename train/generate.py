"""Replies to a few fixed prompts, greedily, from the weights as they are sharded: what a run has learnt, to be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
import torch.distributed as dist
from transformers import DynamicCache

import templates
from templates.errors import InputError
from train.model import Trainee
from train.parallel import Ranks
from train.recipe import Generation
from train.rope import context_length

BUILT_IN = (
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "Explain in two sentences why the sky is blue.",
)


@dataclass(frozen=True)
class Reply:
    """A reply to a prompt. `stopped` says whether the model ended it, rather than the limit of tokens."""

    prompt: str
    text: str
    tokens: int
    stopped: bool


def read_prompts(recipe: Generation) -> list[str]:
    """The recipe's prompts, one a line of its file, or the built-in ones. Raises InputError where there are none."""
    if recipe.max_tokens == 0:
        return []
    if recipe.prompts is None:
        return list(BUILT_IN)
    try:
        lines = recipe.prompts.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"--generation.prompts {recipe.prompts}: cannot be read ({reason}); mend it") from error
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise InputError(f"--generation.prompts {recipe.prompts}: has no prompts; write one a line")
    return prompts


def generate(
    trainee: Trainee, encoder: templates.Encoder, prompts: Sequence[str], *, max_tokens: int, ranks: Ranks
) -> list[Reply]:
    """Replies in the prompts' order, the same on every rank; each rank writes some of them."""
    ours = prompts[ranks.rank :: ranks.world_size]
    implementation = trainee.model.config._attn_implementation
    # the packed kernels read whole documents; a cache of keys and values needs transformers' own attention
    trainee.model.set_attn_implementation("sdpa")
    trainee.eval()
    try:
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            replies = [
                _reply(trainee, encoder, ours[turn] if turn < len(ours) else None, max_tokens, ranks)
                for turn in range(-(-len(prompts) // ranks.world_size))
            ]
    finally:
        trainee.train()
        trainee.model.set_attn_implementation(implementation)
    everyone: list[list[Reply | None]] = [[] for _ in range(ranks.world_size)]
    dist.all_gather_object(everyone, replies)
    return [reply for turn in zip_longest(*everyone) for reply in turn if reply is not None]


def _reply(
    trainee: Trainee, encoder: templates.Encoder, prompt: str | None, max_tokens: int, ranks: Ranks
) -> Reply | None:
    """One reply. All ranks take as many steps as the slowest, since each gathers weights from all."""
    asked = encoder.encode_prompt([{"role": "user", "content": prompt or ""}])
    limit = min(max_tokens, context_length(trainee.model.config) - len(asked))
    cache = DynamicCache(config=trainee.model.config)
    inputs, written, stopped = asked, list[int](), prompt is None
    while ranks.sum(float(not stopped and len(written) < limit))[0] > 0:
        logits = trainee.next_logits(torch.tensor([inputs], device=ranks.device), cache)
        if stopped or len(written) >= limit:
            continue  # the others go on; what this rank computes with them counts nothing
        inputs = [int(logits[0].argmax())]
        written += inputs
        stopped = _is_whole(encoder, written)
    if prompt is None:
        return None
    return Reply(prompt, _text(encoder, written), tokens=len(written), stopped=stopped)


def _is_whole(encoder: templates.Encoder, written: list[int]) -> bool:
    if encoder.stop_ids:
        return written[-1] in encoder.stop_ids
    return any(stop in encoder.decode(written) for stop in encoder.stop_strings)


def _text(encoder: templates.Encoder, written: list[int]) -> str:
    """The reply without what ends it."""
    if encoder.stop_ids and written and written[-1] in encoder.stop_ids:
        written = written[:-1]
    text = encoder.decode(written)
    ends = [text.find(stop) for stop in encoder.stop_strings if stop in text]
    return text[: min(ends, default=len(text))].strip()


def stopped_share(replies: Sequence[Reply]) -> float:
    """The share of replies that the model ended itself."""
    return sum(reply.stopped for reply in replies) / len(replies)
