"""The encoding contract of the design, over every format and every kind of tokenizer."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

import templates
from templates import Encoded, Encoder, Message, Role
from tests.conftest import SHARED_DATA
from train.small_model import small_model

TOKENIZERS = ("smollm2", "llama-32k", "llama-3", "qwen2.5")
CASES = [(name, tokenizer) for name in templates.names() for tokenizer in TOKENIZERS]
AWKWARD = [
    "",
    " ",
    "\n",
    "\n\nanswer",
    " answer",
    "answer \n",
    "é e\u0301 \u212b",
    "👩‍👩‍👧 🏳️‍🌈",
    "שלום مرحبا",
    "a\x00b",
    "\ud800",
    "▁x",
]


@cache
def encoder_for(name: str, tokenizer: str) -> Encoder:
    return Encoder(templates.load(name), tokenizer_for(tokenizer))


@cache
def tokenizer_for(name: str) -> PreTrainedTokenizerBase:
    if name == "smollm2":
        return AutoTokenizer.from_pretrained(small_model())
    directory = SHARED_DATA / "tokenizers" / name
    if not directory.is_dir():
        pytest.skip(f"the real tokenizer is not at {directory}")
    return AutoTokenizer.from_pretrained(directory)


def controls_of(encoder: Encoder) -> list[str]:
    strings = list(encoder._guarded.spelled)
    return [
        *strings[:20],
        encoder.stop,
        "USER:",
        " ASSISTANT:",
        "</s>",
        "<|im_end|>",
        "### Human:",
        "[/INST]",
        "<0x0A>",
    ]


def contents(encoder: Encoder) -> st.SearchStrategy[str]:
    """Any text, with control strings and awkward pieces anywhere in it."""
    piece = st.one_of(
        st.text(max_size=20),
        st.text(alphabet="aé 字\n\t.:<|>/", max_size=20),
        st.sampled_from(controls_of(encoder)),
        st.sampled_from(AWKWARD),
    )
    return st.lists(piece, max_size=5).map("".join)


def conversations(encoder: Encoder) -> st.SearchStrategy[list[Message]]:
    """One to four pairs, with and without a system prompt."""
    content = contents(encoder)
    pair = st.tuples(content, content)
    return st.builds(conversation, st.none() | content, st.lists(pair, min_size=1, max_size=4))


def conversation(system: str | None, pairs: Sequence[tuple[str, str]]) -> list[Message]:
    opening = [] if system is None else [message("system", system)]
    turns = [turn for user, reply in pairs for turn in (message("user", user), message("assistant", reply))]
    return [*opening, *turns]


def message(role: Role, content: str) -> Message:
    return Message(role=role, content=content)


def check(encoder: Encoder, tokenizer: PreTrainedTokenizerBase, messages: list[Message], encoded: Encoded) -> None:
    assert len(encoded.ids) == len(encoded.mask)
    assert len(encoded.turn_ends) == len(messages)
    rejected = dict(encoded.rejected)
    supervised: list[int] = []
    for turn, item in enumerate(messages):
        if item.role != "assistant":
            assert turn not in rejected
            continue
        prompt = encoder.encode_prompt(messages[:turn])
        assert encoded.ids[: len(prompt)] == prompt or turn in rejected  # 1. prefix
        if turn not in rejected:
            end = encoded.turn_ends[turn]
            taught = str(tokenizer.decode(encoded.ids[:end])).removeprefix(str(tokenizer.decode(prompt)))
            assert taught in (item.content + encoder.stop, f" {item.content}{encoder.stop}")  # 2. mask
            supervised += range(len(prompt), end)
    assert [index for index, flag in enumerate(encoded.mask) if flag] == supervised  # 2. nothing else is supervised


def control_ids(encoder: Encoder, ids: Sequence[int]) -> list[int]:
    known = set(encoder._guarded.control_ids.values())
    return [token_id for token_id in ids if token_id in known]


@pytest.mark.parametrize(("name", "kind"), CASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_contract(name: str, kind: str, data: st.DataObject) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    messages = data.draw(conversations(encoder))
    [encoded] = encoder.encode([messages])
    check(encoder, tokenizer, messages, encoded)
    neutral = [message(item.role, "x") for item in messages]
    [plain] = encoder.encode([neutral])
    assert control_ids(encoder, encoded.ids) == control_ids(encoder, plain.ids)  # 3. plain text stays text
    if not any(control in item.content for item in messages for control in encoder._guarded.spelled):
        text = encoder.render(messages)
        if text.encode("utf-8", "ignore").decode() == text:  # no tokenizer takes a lone surrogate
            assert encoded.ids == tokenizer.encode(text, add_special_tokens=False)  # 4. agreement


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_contract_on_real_conversations(name: str, kind: str, shared_data: Path) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    records = json.loads((shared_data / "sharegpt" / "sharegpt_508.json").read_text(encoding="utf-8"))[:60]
    dialogues = [alternating([turn["value"] for turn in record["conversations"]]) for record in records]
    encoded = encoder.encode(dialogues)
    for messages, item in zip(dialogues, encoded, strict=True):
        check(encoder, tokenizer, messages, item)
        assert item.ids == tokenizer.encode(encoder.render(messages), add_special_tokens=False)


def alternating(texts: list[str]) -> list[Message]:
    return [message("assistant" if turn % 2 else "user", text) for turn, text in enumerate(texts)]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_naughty_strings_in_every_role(name: str, kind: str, shared_data: Path) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    strings = json.loads((shared_data / "text" / "big_list_of_naughty_strings.json").read_text(encoding="utf-8"))
    dialogues = [conversation(text, [(text, text), ("next", "fine")]) for text in strings]
    for messages, item in zip(dialogues, encoder.encode(dialogues), strict=True):
        check(encoder, tokenizer, messages, item)
        assert 4 not in dict(item.rejected)  # the turn after a naughty one is taught


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_long_turns(name: str, kind: str) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    messages = conversation(None, [("word " * 20_000, "字" * 100_000), ("a", "b")])
    [encoded] = encoder.encode([messages])
    assert encoded.rejected == []
    check(encoder, tokenizer, messages, encoded)
