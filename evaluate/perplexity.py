"""Held-out loss: how well a model foretells the replies of conversations that it was not trained on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from evaluate.statistics import bootstrap_mean, sign_flip_p
from templates import InputError, Message

Named: TypeAlias = tuple[str, Sequence[Message]]


@dataclass(frozen=True)
class ConversationLoss:
    """Cross-entropy in nats, summed over a conversation's `tokens` (those of replies and their stop tokens).

    `bytes` is the UTF-8 length of these tokens' text, by which models with different tokenizers compare. `cut` tokens
    stood beyond the model's context.
    """

    id: str
    loss: float
    tokens: int
    bytes: int
    cut: int


def held_out_losses(
    directory: Path, conversations: Sequence[Named], *, on_conversation: Callable[[], None]
) -> list[ConversationLoss]:
    """The loss of each conversation with a reply, in float32 on a CPU and in bfloat16 on a GPU.

    Raises InputError where the model cannot be loaded.
    """
    import torch

    from templates.loading import load_encoder

    encoder = load_encoder("tokenizer", directory)
    model = _load(directory)
    context = int(model.config.max_position_embeddings)
    losses = []
    for (name, _), encoded in zip(conversations, encoder.encode([one for _, one in conversations]), strict=True):
        positions = [at for at in range(1, min(len(encoded.ids), context)) if encoded.mask[at]]
        if positions:
            loss = _summed_loss(model, torch.tensor(encoded.ids[:context]), torch.tensor(positions))
            text = encoder.decode([encoded.ids[at] for at in positions])
            cut = sum(encoded.mask[context:])
            losses.append(ConversationLoss(name, loss, len(positions), len(text.encode("utf-8", "replace")), cut))
        on_conversation()
    return losses


def _load(directory: Path) -> Any:  # noqa: ANN401 a model, whose package is imported late
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            directory, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{directory}: cannot be loaded ({str(error).splitlines()[0]})") from error
    return model.to(device).eval()


def _summed_loss(model: Any, ids: Any, positions: Any) -> float:  # noqa: ANN401 torch is imported late
    """The loss of the tokens at `positions`, each foretold from those before it; logits of these alone are made."""
    import torch

    from train.loss import token_scores

    with torch.no_grad():
        hidden = model.base_model(input_ids=ids[None].to(model.device), use_cache=False).last_hidden_state[0]
        head = model.get_output_embeddings().weight
        at = positions.to(model.device)
        return float(token_scores(hidden[at - 1], head, ids.to(model.device)[at]).loss)


def summarise(losses: Sequence[ConversationLoss]) -> dict[str, Any]:
    """Loss a token with an interval over conversations, perplexity, bits a byte, and each conversation's own.

    >>> summarise([ConversationLoss("a", 6.0, 3, 12, 0), ConversationLoss("b", 2.0, 1, 4, 0)])["loss"]
    {'mean': 2.0, 'low': 2.0, 'high': 2.0, 'n': 2}
    """
    total, tokens, size = (sum(getattr(one, name) for one in losses) for name in ("loss", "tokens", "bytes"))
    # A conversation's tokens are one group: each has its mean.
    estimate = bootstrap_mean([[one.loss / one.tokens] * one.tokens for one in losses])
    return {
        "loss": estimate.to_json() if estimate else None,
        "perplexity": math.exp(total / tokens) if tokens else None,
        "bits_per_byte": total / math.log(2) / size if size else None,
        "tokens": tokens,
        "conversations": [{**asdict(one), "loss_per_token": one.loss / one.tokens} for one in losses],
    }


def compare_losses(first: Sequence[ConversationLoss], second: Sequence[ConversationLoss]) -> dict[str, Any] | None:
    """The first model's loss less the second's, conversation by conversation, in nats a token or, where their
    tokenizers cut the replies otherwise, in bits a byte; negative is better. With a paired test.
    """
    theirs = {one.id: one for one in second}
    both = [(one, theirs[one.id]) for one in first if one.id in theirs]
    by_tokens = all(one.tokens == other.tokens for one, other in both)
    sizes = [one.tokens if by_tokens else one.bytes for one, _ in both]
    per_unit = 1.0 if by_tokens else 1 / math.log(2)
    gaps = [per_unit * (one.loss - other.loss) / size for (one, other), size in zip(both, sizes, strict=True)]
    # As for the losses themselves, each conversation counts by its size: their difference is this mean.
    estimate = bootstrap_mean([[gap] * size for gap, size in zip(gaps, sizes, strict=True)])
    if estimate is None:
        return None
    lower = sum(gap < 0 for gap in gaps)
    unit = "nats a token" if by_tokens else "bits a byte"
    return {**estimate.to_json(), "unit": unit, "lower": lower, "p": sign_flip_p(gaps)}
