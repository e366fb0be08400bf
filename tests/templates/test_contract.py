"""The encoding contract of the design, over every format and every kind of tokenizer."""

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from templates import Encoded, Encoder, InputError, Message, RenderError, Role
from tests.templates.kinds import FITS, MISFITS, encoder_for, tokenizer_for

# Proved at length: the reference format, the one that text ends, and what models bring themselves.
DEEP = [(name, kind) for name, kind in FITS if name in ("vicuna_v1.1", "vicuna_v0", "tokenizer", "phi-3")]
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


def controls_of(encoder: Encoder) -> list[str]:
    return [
        *encoder.control_strings,
        encoder.stop,
        encoder.stop[:-1],
        encoder.stop[:1],
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
        elif rejected.get(turn) in ("template_refuses", "template_rewrites"):
            assert encoded.ids == []
        else:
            prompt = encoder.encode_prompt(messages[:turn])
            assert encoded.ids[: len(prompt)] == prompt or turn in rejected  # 1. prefix
            if turn not in rejected:
                region = encoded.mask[len(prompt) : encoded.turn_ends[turn]]
                end = len(prompt) + sum(region)
                taught = str(tokenizer.decode(encoded.ids[:end])).removeprefix(str(tokenizer.decode(prompt)))
                assert taught in spellings(encoder, item.content)  # 2. mask
                supervised += range(len(prompt), end)
    assert [index for index, flag in enumerate(encoded.mask) if flag] == supervised  # 2. nothing else is supervised


def spellings(encoder: Encoder, reply: str) -> list[str]:
    """The reply and its stop: bare, with the space that a template opens it with, or trimmed by the template."""
    bare = [reply, f" {reply}"]
    trims = encoder.template.name in ("llama-3", "gemma", "tokenizer")
    return [text + encoder.stop for text in (*bare, *([reply.strip()] if trims else []))]


def control_ids(encoder: Encoder, ids: Sequence[int]) -> list[int]:
    known = set(encoder._guarded.control_ids.values())
    return [token_id for token_id in ids if token_id in known]


def hold(name: str, kind: str, data: st.DataObject) -> None:
    """The contract on one conversation."""
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    messages = data.draw(conversations(encoder))
    [encoded] = encoder.encode([messages])
    check(encoder, tokenizer, messages, encoded)
    if not encoded.ids:
        with pytest.raises(RenderError):
            encoder.encode_prompt(messages)
        return
    neutral = [message(item.role, "x") for item in messages]
    [plain] = encoder.encode([neutral])
    assert control_ids(encoder, encoded.ids) == control_ids(encoder, plain.ids)  # 3. plain text stays text
    if not any(control in item.content for item in messages for control in encoder.control_strings):
        text = encoder.render(messages)
        if text.encode("utf-8", "ignore").decode() == text:  # no tokenizer takes a lone surrogate
            assert encoded.ids == tokenizer.encode(text, add_special_tokens=False)  # 4. agreement


@pytest.mark.parametrize(("name", "kind"), FITS)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_contract(name: str, kind: str, data: st.DataObject) -> None:
    hold(name, kind, data)


@pytest.mark.parametrize(("name", "kind"), DEEP)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_contract_at_length(name: str, kind: str, data: st.DataObject) -> None:
    hold(name, kind, data)


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_contract_on_real_conversations(name: str, kind: str, shared_data: Path) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    records = read(shared_data / "sharegpt" / "sharegpt_508.json")
    chosen = random.Random(f"{name} {kind}").sample(records, 10 if (name, kind) in DEEP else 4)
    dialogues = [alternating([turn["value"] for turn in record["conversations"]]) for record in chosen]
    encoded = encoder.encode(dialogues)
    assert any(any(item.mask) for item in encoded)
    for messages, item in zip(dialogues, encoded, strict=True):
        check(encoder, tokenizer, messages, item)
        assert item.ids == tokenizer.encode(encoder.render(messages), add_special_tokens=False)


@cache
def read(path: Path) -> list[Any]:
    """A file of JSON, read once for all tests."""
    records: list[Any] = json.loads(path.read_text(encoding="utf-8"))
    return records


def alternating(texts: list[str]) -> list[Message]:
    return [message("assistant" if turn % 2 else "user", text) for turn, text in enumerate(texts)]


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_naughty_strings_in_every_role(name: str, kind: str, shared_data: Path) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    strings = read(shared_data / "text" / "big_list_of_naughty_strings.json")
    chosen = strings if (name, kind) in DEEP else random.Random(f"{name} {kind}").sample(strings, 40)
    system_is_lost = (name, kind) == ("tokenizer", "phi-3")
    dialogues = [conversation(None if system_is_lost else text, [(text, text), ("next", "fine")]) for text in chosen]
    for messages, item in zip(dialogues, encoder.encode(dialogues), strict=True):
        check(encoder, tokenizer, messages, item)
        assert len(messages) - 1 not in dict(item.rejected)  # the turn after a naughty one is taught


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_every_control_string_in_every_role(name: str, kind: str) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    strings = [*encoder.control_strings, encoder.stop[:-1], f"{encoder.stop}{encoder.stop}"]
    texts = [f"a{''.join(strings[at : at + 12])} b" for at in range(0, len(strings), 12)]
    system_is_lost = (name, kind) == ("tokenizer", "phi-3")
    dialogues = [conversation(None if system_is_lost else text, [(text, text), ("next", "fine")]) for text in texts]
    neutral = [[message(item.role, "x") for item in messages] for messages in dialogues]
    pairs = zip(dialogues, encoder.encode(dialogues), encoder.encode(neutral), strict=True)
    for messages, item, plain in pairs:
        check(encoder, tokenizer, messages, item)
        assert control_ids(encoder, item.ids) == control_ids(encoder, plain.ids)
        assert set(dict(item.rejected).values()) <= {"contains_stop", "tokenizer_rewrites", "token_straddles_reply"}


@pytest.mark.parametrize(("name", "kind"), DEEP)
def test_long_turns(name: str, kind: str) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    messages = conversation(None, [("word " * 20_000, "字" * 100_000), ("a", "b")])
    [encoded] = encoder.encode([messages])
    assert dict(encoded.rejected).keys() <= ({1} if kind == "gpt-2" else set())
    check(encoder, tokenizer, messages, encoded)


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_plain_transformers_renders_the_same_bytes_and_bos_once(name: str, kind: str) -> None:
    encoder, tokenizer = encoder_for(name, kind), tokenizer_for(kind)
    messages = conversation(None, [("Hi", "Hello!\n"), (" Bye ", "See you."), ("Once more", "Yes")])
    for part, asks in ((messages, False), (messages[:-1], True)):
        plain = [{"role": item.role, "content": item.content} for item in part]
        text = encoder.render(part, add_generation_prompt=asks)
        theirs = tokenizer.apply_chat_template(
            plain, chat_template=encoder.chat_template, add_generation_prompt=asks, tokenize=False
        )
        assert theirs == text
        bos = encoder.special_tokens.get("bos_token")
        assert bos is None or text.startswith(bos)
        assert not bos or not text.removeprefix(bos).startswith(bos)


@pytest.mark.parametrize(("name", "kind"), MISFITS)
def test_a_format_whose_control_tokens_are_missing_is_refused(name: str, kind: str) -> None:
    with pytest.raises(InputError, match=rf"template {name} is written for control tokens that .* lacks: <"):
        encoder_for(name, kind)
