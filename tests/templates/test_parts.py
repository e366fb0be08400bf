"""Parts of conversations, put together out of their ids: the same as encoding each part anew."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates import Conversation, Encoded, Encoder, Message
from templates.parts import Part, PartEncoder
from tests.templates.kinds import FITS, encoder_for
from tests.templates.test_contract import conversations

TALK = (
    Message(role="user", content="Hi"),
    Message(role="assistant", content="Hello!"),
    Message(role="user", content="Why?"),
    Message(role="assistant", content=" So."),
)


def parts_of(encoder: Encoder, messages: list[Message]) -> list[Part]:
    """Every part of a conversation that begins with a question and ends with a reply."""
    conversation = Conversation(id="", messages=tuple(messages))
    [whole] = encoder.encode([conversation])
    starts = range(int(messages[0].role == "system"), len(messages), 2)
    return [Part(conversation, whole, start, end) for start in starts for end in range(start + 2, len(messages) + 1, 2)]


def assert_equal(one: Encoded, other: Encoded) -> None:
    assert np.array_equal(one.id_array, other.id_array)
    assert np.array_equal(one.mask_array, other.mask_array)
    assert (one.rejected, one.turn_ends, one.supervised) == (other.rejected, other.turn_ends, other.supervised)


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_a_part_is_what_encoding_it_gives(name: str, kind: str) -> None:
    encoder = encoder_for(name, kind)

    @settings(max_examples=20, deadline=None)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        parts = parts_of(encoder, data.draw(conversations(encoder)))
        anew = encoder.encode([part.until(part.end) for part in parts])
        for joined, encoded in zip(PartEncoder(encoder).encode(parts), anew, strict=True):
            assert_equal(joined, encoded)

    holds()


def counted(encoder: Encoder, monkeypatch: pytest.MonkeyPatch, parts: list[Part]) -> int:
    """How many messages are encoded for these parts."""
    part_encoder, encode = PartEncoder(encoder), encoder.encode
    seen: list[int] = []

    def encode_and_count(conversations: list[Conversation]) -> list[Encoded]:
        seen.extend(len(one.messages) for one in conversations)
        return encode(conversations)

    with monkeypatch.context() as patched:
        patched.setattr(encoder, "encode", encode_and_count)
        part_encoder.encode(parts)
    return sum(seen)


# Text ends the replies of vicuna_v0, and a tokenizer of Phi-3's kind takes the line break after its control tokens.
@pytest.mark.parametrize(
    ("name", "kind", "joins"),
    [
        ("vicuna_v1.1", "smollm2", True),
        ("vicuna_v1.1", "llama-32k", True),
        ("chatml", "smollm2", True),
        ("llama-3", "llama-3", True),
        ("vicuna_v0", "llama-32k", False),
        ("phi-3", "flagged", False),
    ],
)
def test_of_a_part_only_the_first_pair_is_encoded(
    name: str, kind: str, joins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoder_for(name, kind)
    talk = [*TALK * 3]
    parts = [part for part in parts_of(encoder, talk) if part.end == len(talk) and not part.is_beginning]
    beginnings = [part for part in parts_of(encoder, talk) if part.is_beginning]
    assert counted(encoder, monkeypatch, parts) == (2 * len(parts) if joins else 10 + 8 + 6 + 4 + 2)
    assert counted(encoder, monkeypatch, beginnings) == (0 if joins else 2 + 4 + 6 + 8 + 10 + 12)


def test_replies_that_carry_no_loss_carry_none_in_a_part() -> None:
    encoder = encoder_for("vicuna_v1.1", "smollm2")
    quiet = [replace(message, train=False) if at == 3 else message for at, message in enumerate(TALK * 2)]
    parts = parts_of(encoder, quiet)
    for part, joined in zip(parts, PartEncoder(encoder).encode(parts), strict=True):
        assert_equal(joined, encoder.encode([part.until(part.end)])[0])
        taught = [position for position in range(part.start + 1, part.end, 2) if position != 3]
        assert sum(count > 0 for count in joined.supervised) == len(taught)
