from types import SimpleNamespace
from typing import Any

import pytest

from serve.request_messages import plain_messages, plain_tools, refuse_other_prompts

CALL = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"role": "user", "content": "Hi"}, {"role": "user", "content": "Hi"}),
        ({"role": "developer", "content": "Hi"}, {"role": "system", "content": "Hi"}),
        ({"role": "assistant", "content": None}, {"role": "assistant", "content": ""}),
        ({"role": "assistant"}, {"role": "assistant", "content": ""}),
        ({"role": "assistant", "content": "a", "tool_calls": []}, {"role": "assistant", "content": "a"}),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}, "c"]},
            {"role": "user", "content": "a\nb\nc"},
        ),
        (
            {"role": "tool", "content": [{"type": "text", "text": "4"}], "tool_call_id": "a"},
            {"role": "tool", "content": "4", "tool_call_id": "a"},
        ),
    ],
)
def test_text_is_read(sent: dict[str, Any], read: dict[str, Any]) -> None:
    assert plain_messages([sent]) == [read]


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"x": 1}', {"x": 1}),
        ({"x": 1}, {"x": 1}),
        ("", {}),
        (None, {}),
        ("{broken", "{broken"),
        ("[1]", "[1]"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_calls_arguments_are_a_mapping_or_as_the_model_wrote_them(arguments: object, read: object) -> None:
    call = {**CALL, "function": {"name": "add", "arguments": arguments}}
    [message] = plain_messages([{"role": "assistant", "tool_calls": iter([call])}])  # vLLM's are read once
    assert message["tool_calls"] == [{"id": "a", "type": "function", "function": {"name": "add", "arguments": read}}]


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        ({"role": "me", "content": "x"}, r"messages\[1\]\.role: 'me' is not one of system, user, assistant, tool"),
        ({"content": "x"}, r"messages\[1\]\.role: None"),
        (SimpleNamespace(author="me", content="x"), r"messages\[1\]: is not a message with role and content"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            r"messages\[1\]\.content: a part of type 'image_url' is not text",
        ),
        ({"role": "user", "content": [7]}, r"messages\[1\]\.content: a part of type 'int' is not text"),
        ({"role": "assistant", "tool_calls": [{"type": "custom"}]}, r"messages\[1\]\.tool_calls\[0\]: only calls of"),
        ({"role": "assistant", "tool_calls": ["x"]}, r"messages\[1\]\.tool_calls\[0\]: only calls of functions"),
    ],
)
def test_what_is_not_text_is_refused_by_its_place(sent: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plain_messages([{"role": "user", "content": "Hi"}, sent])


def test_no_message_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="messages: there is none"):
        plain_messages([])


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"type": "function", "function": {}}, "x"])
def test_a_tool_that_is_no_function_is_refused(tool: object) -> None:
    add = {"type": "function", "function": {"name": "add"}}
    assert plain_tools([add]) == [add]
    with pytest.raises(ValueError, match=r"tools\[1\]: only functions are read"):
        plain_tools([add, tool])


THINKS = "{{ bos_token }}{% if enable_thinking %}<think>{% endif %}{{ messages[0].content }}"


@pytest.mark.parametrize(
    "options", [[], ["tools", "add_generation_prompt", "continue_final_message"], ["reasoning_effort"]]
)
@pytest.mark.parametrize("chat_template", [None, THINKS])
def test_options_that_a_template_does_not_read_are_let_be(chat_template: str | None, options: list[str]) -> None:
    refuse_other_prompts(THINKS, chat_template=chat_template, options=options)


@pytest.mark.parametrize(
    ("chat_template", "options", "complaint"),
    [
        (None, ["enable_thinking"], "enable_thinking: the model was trained without this option; leave it out"),
        (None, ["bos_token", "messages"], "bos_token: the model was trained without"),
        ("{{ messages }}", [], "chat_template: prompts are made by the template of the model's training"),
    ],
)
def test_a_request_cannot_have_its_prompt_made_otherwise(
    chat_template: str | None, options: list[str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        refuse_other_prompts(THINKS, chat_template=chat_template, options=options)
