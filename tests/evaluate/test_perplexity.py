from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from evaluate.perplexity import ConversationLoss, compare_losses, held_out_losses, summarise
from templates import InputError, Message, load
from templates.loading import load_encoder, load_tokenizer
from tests.train.tiny import write_model


def talk(*contents: str) -> list[Message]:
    roles = ("user", "assistant") * len(contents)
    return [Message(role=role, content=text) for role, text in zip(roles, contents, strict=False)]  # type: ignore[arg-type]


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """A tiny model under the Vicuna template, as `chaku train` writes it."""
    directory = write_model(tmp_path / "tiny")
    tokenizer = load_tokenizer(directory)
    tokenizer.chat_template = load("vicuna_v1.1", tokenizer).text
    tokenizer.save_pretrained(directory)
    return directory


def test_losses_are_those_of_transformers(tiny_model: Path) -> None:
    conversations = [("a", talk("Hi", "Hello there.", "Name a colour.", "Blue is one.")), ("b", talk("2+2?", "4"))]
    calls: list[int] = []
    losses = held_out_losses(
        tiny_model, [*conversations, ("none", talk("Hi"))], on_conversation=lambda: calls.append(1)
    )
    assert [one.id for one in losses] == ["a", "b"]
    assert len(calls) == 3
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    encoder = load_encoder("tokenizer", tiny_model)
    for loss, encoded in zip(losses, encoder.encode([messages for _, messages in conversations]), strict=True):
        ids, mask = torch.tensor([encoded.ids]), torch.tensor([encoded.mask])
        with torch.no_grad():
            theirs = model(input_ids=ids, labels=torch.where(mask, ids, -100)).loss
        assert loss.tokens == sum(encoded.mask)
        assert loss.loss / loss.tokens == pytest.approx(float(theirs), rel=1e-4)
    figures = summarise(losses)
    assert figures["tokens"] == sum(one.tokens for one in losses)
    assert figures["bits_per_byte"] > 0


def test_before_and_after() -> None:
    before = [ConversationLoss(str(number), 30.0 + number, 10, 40, 0) for number in range(8)]
    after = [ConversationLoss(str(number), 20.0 + number, 10, 40, 0) for number in range(8)]
    found = compare_losses(after, before)
    assert found
    assert found["mean"] == pytest.approx(-1.0)
    assert (found["unit"], found["lower"], found["n"], found["p"]) == ("nats a token", 8, 8, 2 / 2**8)
    other = [ConversationLoss("0", 20.0, 9, 40, 0)]
    assert (compare_losses(other, before) or {})["unit"] == "bits a byte"
    assert compare_losses(other, []) is None


def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        held_out_losses(tmp_path, [("a", talk("Hi", "Hello"))], on_conversation=lambda: None)
