"""Prompts with tools: their definitions and calls are data of any shape, which each template writes in its own way.

Stand-ins cannot take the place of such data, since a template asks about its parts. So its strings are put between
marks that nobody can guess, and the template renders them for real: in the text, what stands between marks is content,
and all else is the template's own. That text is only believed where it is, without its marks, what the template makes
of the plain data, and where nothing that a prompt needs is missing from it.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from templates.conversation import scalar_values
from templates.template import RenderError, Template

# What the parts of JSON schemas and of OpenAI's tools are called. Templates compare these words, so they stay unmarked;
# no request can choose others.
_SCHEMA = frozenset(
    re.findall(
        r"\w+",
        "type function name description parameters arguments properties required items enum default format title "
        "strict object array string integer number boolean null additionalProperties anyOf allOf oneOf const",
    )
)
_WORD = re.compile(r"[\w-]{1,64}", re.ASCII)
_NEXT_STEP = {
    "tools": "leave `tools` out, or serve a model whose own chat template takes them",
    "tool_calls": "send the call as the reply's text, or serve a model whose own chat template takes calls",
}


def literals_and_contents(
    template: Template,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    special_tokens: dict[str, str],
    *,
    holds_control: Callable[[str], object],
    add_generation_prompt: bool,
) -> tuple[list[str], list[str]]:
    """The template's literal texts, and between them what messages and tools say, in the order of the text.

    Messages and tools are OpenAI's, each call's arguments a mapping; `holds_control` finds control strings in a text.
    Raises RenderError where the template refuses them, has no place for tools or calls, or loses, moves, repeats or
    rewrites what they say.

    >>> literals_and_contents(qwen, [{"role": "user", "content": "2+2?"}], [add], {...}, ...)
    (['<|im_start|>system\\nYou are ... {"type": "function", "function": {"name": "', ...], ['add', ...])
    """

    def render(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> str:
        return template.render_data(
            messages, tools=tools or None, special_tokens=special_tokens, add_generation_prompt=add_generation_prompt
        )

    messages, tools = _with_strings(messages, scalar_values), _with_strings(tools, scalar_values)
    marker = _Marker(holds_control)
    text = render(list(map(marker.message, messages)), list(map(marker.tool, tools)))
    # text, number, text, number, ..., text: an opening has no number
    pieces = marker.pattern.split(text)
    texts, numbers = pieces[::2], pieces[1::2]
    is_paired = len(numbers) % 2 == 0 and not any(numbers[::2]) and all(numbers[1::2])
    if not is_paired or "".join(texts) != render(messages, tools):
        raise RenderError(f"template {template.name} rewrites the content of a message, or what a tool says")
    _check_all_is_written(template, marker, [int(number, 16) for number in numbers[1::2]])
    return texts[::2], texts[1::2]


def _check_all_is_written(template: Template, marker: "_Marker", written: Sequence[int]) -> None:
    for number, part in marker.needed.items():
        if number not in written:
            raise RenderError(f"template {template.name} has no place for {part}; {_NEXT_STEP[part]}")
    contents = set(marker.contents)
    if [number for number in written if number in contents] != marker.contents:
        raise RenderError(f"template {template.name} loses, moves or repeats the content of a message")


def _with_strings(data: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 data of any shape
    """The data with each of its strings changed, those that name its parts too."""
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        return {_with_strings(name, change): _with_strings(value, change) for name, value in data.items()}
    return [_with_strings(item, change) for item in data] if isinstance(data, list | tuple) else data


@dataclass
class _Marker:
    """Puts strings between marks, and remembers by their numbers which of them a template has to write."""

    holds_control: Callable[[str], object]
    secret: str = field(default_factory=lambda: secrets.token_hex(8))
    count: int = 0
    contents: list[int] = field(default_factory=list)
    needed: dict[int, str] = field(default_factory=dict)

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds the marks: an ending's number, and an opening's, which is empty so that names sort as they are."""
        return re.compile(f"\ue8f2{self.secret}([0-9a-f]*)\ue8f3")

    def message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A message. Its content has to be written once; its calls' names and arguments, wherever they are."""
        content = self._mark(message["content"])
        if content != message["content"]:
            self.contents.append(self.count)
        marked = {**_with_strings(message, self._mark_id), "content": content}
        if "tool_calls" in message:
            marked["tool_calls"] = list(map(self._call, message["tool_calls"]))
        return marked

    def tool(self, tool: Mapping[str, Any]) -> dict[str, Any]:
        """A tool's definition. Its name has to be written; of the rest, a template takes what it knows."""
        marked: dict[str, Any] = _with_strings(tool, self._mark_data)
        marked["function"]["name"] = self._needed("tools")(tool["function"]["name"])
        return marked

    def _call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        function = _with_strings(call["function"], self._needed("tool_calls"))
        return {**_with_strings(call, self._mark_id), "function": function}

    def _needed(self, part: str) -> Callable[[str], str]:
        def mark(text: str) -> str:
            marked = self._mark_data(text)
            if marked != text:
                self.needed[self.count] = part
            return marked

        return mark

    def _mark_data(self, text: str) -> str:
        return text if text in _SCHEMA and not self.holds_control(text) else self._mark(text)

    def _mark_id(self, text: str) -> str:
        # roles and ids; templates look at what an id is made of
        return text if _WORD.fullmatch(text) and not self.holds_control(text) else self._mark(text)

    def _mark(self, text: str) -> str:
        """The text between marks. Whitespace at its ends is left to the template, and all of it where it is that."""
        core = text.strip()
        if not core:
            return text
        self.count += 1
        head, tail = text.split(core, 1)
        return f"{head}\ue8f2{self.secret}\ue8f3{core}\ue8f2{self.secret}{self.count:x}\ue8f3{tail}"
