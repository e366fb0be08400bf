"""What a chat request says, as templates read it: text, and with tools their definitions and calls.

What cannot be read is refused by its place in the request: a ValueError is a 400 in OpenAI's error shape.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from templates import ROLES

# What a template asks for that it is given; `messages` and the special tokens never come from a request.
_UNDERSTOOD = frozenset(("messages", "tools", "add_generation_prompt", "continue_final_message"))


def plain_messages(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """The messages with text contents. Raises ValueError for none at all, images, audio and whatever else is not text.

    A message with an `author` for a role comes from vLLM as an object of its own kind: refused, not guessed at.

    >>> plain_messages([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])
    [{'role': 'user', 'content': 'Hi'}]
    """
    if not messages:
        raise ValueError("messages: there is none; give at least one")
    return [_plain(message, f"messages[{turn}]") for turn, message in enumerate(messages)]


def plain_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """The definitions of functions. Raises ValueError for tools of other kinds."""
    for at, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ValueError(f"tools[{at}]: only functions are read, each with its name")  # noqa: TRY004
    return [dict(tool) for tool in tools]


def refuse_other_prompts(template: str, *, chat_template: str | None, options: Iterable[str]) -> None:
    """No request may have its prompt made otherwise than in training, nor believe that it had: ValueError.

    What a template never asks for changes nothing, and clients send such options to every server: they may.
    """
    from transformers.utils.chat_template_utils import _get_template_variables

    if chat_template not in (None, template):
        raise ValueError("chat_template: prompts are made by the template of the model's training; leave it out")
    asked_for = _get_template_variables(template) - _UNDERSTOOD
    if unread := sorted(asked_for.intersection(options)):
        raise ValueError(f"{', '.join(unread)}: the model was trained without this option; leave it out")


def _plain(message: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 whatever vLLM made of a client's
    if not isinstance(message, Mapping):
        raise ValueError(f"{where}: is not a message with role and content")  # noqa: TRY004
    plain: dict[str, Any] = {"role": _role(message, where), "content": _text(message, where)}
    calls = list(message.get("tool_calls") or ())
    if calls:
        plain["tool_calls"] = [_call(call, f"{where}.tool_calls[{at}]") for at, call in enumerate(calls)]
    if isinstance(message.get("tool_call_id"), str):
        plain["tool_call_id"] = message["tool_call_id"]
    return plain


def _role(message: Mapping[str, Any], where: str) -> str:
    role = "system" if message.get("role") == "developer" else message.get("role")
    if role not in ROLES:
        raise ValueError(f"{where}.role: {role!r} is not one of {', '.join(ROLES)}")
    return role


def _call(call: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 whatever a client sent
    """A call as templates read it: its arguments as a mapping, or as they are where a model wrote no JSON object."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ValueError(f"{where}: only calls of functions are read, each with its name")  # noqa: TRY004
    arguments = function.get("arguments") or {}
    try:
        parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        parsed = None
    called = {"name": function["name"], "arguments": parsed if isinstance(parsed, Mapping) else arguments}
    return {"id": str(call.get("id", "")), "type": "function", "function": called}


def _text(message: Mapping[str, Any], where: str) -> str:
    content = message.get("content")
    parts = [content] if content is None or isinstance(content, str) else list(content)
    return "\n".join(_part(part, where) for part in parts)


def _part(part: Any, where: str) -> str:  # noqa: ANN401 whatever a client sent
    if isinstance(part, str):
        return part
    if part is None:
        return ""
    if isinstance(part, Mapping) and part.get("type") in ("text", "input_text", "output_text", "refusal"):
        return str(part.get("text") or part.get("refusal") or "")
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise ValueError(f"{where}.content: a part of type {kind!r} is not text, and this model reads only text")
