"""Conversations with tools in training: calls and replies carry loss, at exactly what a server's prompt leaves open."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from templates import Conversation, Encoded, Encoder, Message, as_messages
from tests.templates.kinds import encoder_for, tokenizer_for
from tests.templates.test_marked import DONE, encoder_of, request, texts, words


def conversation(messages: Sequence[Mapping[str, Any]], tools: list[dict[str, Any]]) -> Conversation:
    return Conversation(id="a", messages=tuple(as_messages(messages)), tools=tuple(tools))


def taught(encoder: Encoder, encoded: Encoded, turn: int) -> tuple[int, str]:
    """Where a turn's supervised tokens begin, and their text."""
    before = encoded.turn_ends[turn - 1]
    places = [at for at in range(before, encoded.turn_ends[turn]) if encoded.mask[at]]
    assert places == list(range(places[0], places[-1] + 1))
    return places[0], encoder.decode([encoded.ids[at] for at in places])


@settings(max_examples=40, deadline=None)
@given(name=words, about=texts, field=words, said=texts, told=texts, reply=texts)
def test_a_reply_and_a_call_are_what_follows_the_prompt_of_a_server(reply: str, **strings: str) -> None:
    encoder = encoder_for("tokenizer", "qwen2.5")
    messages, tools = request(**strings)
    messages += [{"role": "assistant", "content": reply}]
    [encoded] = encoder.encode([conversation(messages, tools)])
    rejected, last = dict(encoded.rejected), dict[int, str]()
    assert encoded.ids == encoder.encode_tool_prompt(messages, tools, add_generation_prompt=False)
    for turn in (2, 5):
        if turn in rejected:
            held = "".join(strings.values()) if turn == 2 else reply
            assert rejected[turn] != "empty_reply" or not reply.strip()
            assert rejected[turn] in ("lone_surrogate", "empty_reply", "token_straddles_reply", "tokenizer_rewrites")
            assert rejected[turn] != "lone_surrogate" or "\ud800" in held
            continue
        start, text = taught(encoder, encoded, turn)
        assert encoder.encode_tool_prompt(messages[:turn], tools) == encoded.ids[:start]
        assert text.endswith("<|im_end|>")
        if turn == 5:
            assert text == reply + "<|im_end|>"
        last[turn] = text
    supervised = [one for one, mask in zip(encoded.ids, encoded.mask, strict=True) if mask]
    assert encoder.decode(supervised) == "".join(last.values())


def test_a_call_is_taught_as_the_template_writes_it() -> None:
    encoder = encoder_for("tokenizer", "qwen2.5")
    messages, tools = request()
    whole: list[dict[str, Any]] = [*messages, DONE]
    [encoded] = encoder.encode([conversation(whole, tools)])
    call = '<tool_call>\n{"name": "add", "arguments": {"x": 4, "y": [1.5, null]}}\n</tool_call>'
    assert encoded.rejected == []
    assert taught(encoder, encoded, 2)[1] == f"{call}\n{call}<|im_end|>"
    assert taught(encoder, encoded, 5)[1] == "Four.<|im_end|>"
    plain = tokenizer_for("qwen2.5").apply_chat_template(whole, tools=[*tools], tokenize=False)
    assert encoder.decode(encoded.ids) == plain


def test_without_tools_and_calls_it_is_the_same_as_ever() -> None:
    encoder = encoder_for("tokenizer", "qwen2.5")
    messages = [Message(role="user", content="2+2?"), Message(role="assistant", content="Four.")]
    offered = Conversation(id="a", messages=tuple(messages), tools=(request()[1][0],))
    plain, with_tools = encoder.encode([messages, offered])
    [alone] = encoder.encode([replace(offered, tools=())])
    assert (plain.ids, plain.mask, plain.rejected) == (alone.ids, alone.mask, alone.rejected)
    assert sum(plain.mask) == sum(with_tools.mask)
    assert len(with_tools.ids) > len(plain.ids)


def test_a_reply_that_is_context_carries_no_loss() -> None:
    encoder = encoder_for("tokenizer", "qwen2.5")
    messages, tools = request()
    told = conversation([*messages, DONE], tools)
    quiet = tuple(replace(message, train=False) if message.tool_calls else message for message in told.messages)
    [encoded] = encoder.encode([replace(told, messages=quiet)])
    assert encoder.decode([one for one, mask in zip(encoded.ids, encoded.mask, strict=True) if mask]) == (
        "Four.<|im_end|>"
    )


@pytest.mark.parametrize(("name", "takes"), [("tokenizer", True), ("chatml", False), ("vicuna_v1.1", False)])
def test_templates_without_a_place_for_tools_are_known(name: str, takes: bool) -> None:
    encoder = encoder_for(name, "qwen2.5")
    assert encoder.takes_tools == takes
    if not takes:
        messages, tools = request()
        [encoded] = encoder.encode([conversation([*messages, DONE], tools)])
        assert (encoded.ids, dict(encoded.rejected)) == ([], {2: "template_refuses", 5: "template_refuses"})


@pytest.mark.parametrize("asked", ["{% if messages[-1].role == 'user' %}ask{% endif %}", ""])
def test_where_the_prompt_is_no_beginning_of_the_whole_or_lacks_the_role_nothing_is_taught(asked: str) -> None:
    turn = "m.content ~ (m.tool_calls | tojson if m.tool_calls else '')"
    messages, tools = request()
    encoder = encoder_of(turn, opening="{{ tools | tojson if tools else '' }}" + asked)
    [encoded] = encoder.encode([conversation([*messages, DONE], tools)])
    assert dict(encoded.rejected) == {2: "prompt_not_prefix", 5: "prompt_not_prefix"}
    assert not any(encoded.mask)
