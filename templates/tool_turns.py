"""Conversations with tools, for training: each reply, a call of a tool too, located in what the template writes of it.

A layout by roles cannot serve, since templates ask about the parts of tools and calls. So the prompt for each reply is
rendered for real, with `marked`, and held against the whole: a reply is what follows its prompt, up to its stop.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from templates.conversation import Message, scalar_values
from templates.encoded import Plan
from templates.guard import GuardedTokenizer
from templates.layout import layout_of
from templates.marked import literals_and_contents
from templates.rows import Place, frame_of
from templates.spelling import Speller
from templates.template import RenderError, Template

_Parts = tuple[list[str], list[str]]


@dataclass
class ToolLayout:
    """Writes the rows of conversations with tools, for one template and tokenizer."""

    template: Template
    special_tokens: dict[str, str]
    stop: str
    guarded: GuardedTokenizer
    spell: Speller

    def lay_out(self, plan: Plan) -> None:
        """Write a conversation's row, and decide what can be decided without its ids."""
        if self.guarded.takes_before or self.guarded.takes_after:
            return plan.reject_all("tokenizer_rewrites")
        messages = [message.plain() for message in plan.messages]
        try:
            whole = self._render(messages, plan.tools, asks=False)
        except RenderError:
            return plan.reject_all("template_refuses")
        spans: dict[int, tuple[Place, Place]] = {}
        for turn, message in enumerate(plan.messages):
            if message.role == "assistant":
                span = self._span(messages, plan.tools, turn, whole)
                rule = span if isinstance(span, str) else self._rule_against(message, whole[1][span[0][0] : span[1][0]])
                if rule:
                    plan.rules[turn] = rule
                elif not isinstance(span, str):
                    spans[turn] = span
        self._write(plan, whole, spans)
        return None

    @cached_property
    def _asks_for_replies(self) -> bool:
        """Whether the template's prompts end where a reply begins."""
        layout = layout_of(self.template, ("user", "assistant"), self.special_tokens)
        return layout.prompt_literals[1] is not None and not layout.opening(1).strip()

    def _render(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], *, asks: bool
    ) -> _Parts:
        return literals_and_contents(
            self.template,
            messages,
            tools,
            self.special_tokens,
            holds_control=self.spell.first_control,
            add_generation_prompt=asks,
        )

    def _span(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], turn: int, whole: _Parts
    ) -> tuple[Place, Place] | str:
        """Where a reply begins and where its stop ends, or the rule that says why it cannot be taught."""
        try:
            prompt = self._render(messages[:turn], tools, asks=True)
            ended = self._render(messages[: turn + 1], tools, asks=False)
        except RenderError:
            return "prompt_not_prefix"
        start = _end_of(prompt, whole)
        if start is None or not self._asks_for_replies:
            return "prompt_not_prefix"
        if messages[turn]["content"].strip() and whole[0][start[0]][start[1] :].strip():
            return "prompt_not_prefix"  # what a template writes before a reply belongs to its prompt
        last = len(ended[1])
        at = ended[0][last].find(self.stop, start[1] if last == start[0] else 0)
        end = at + len(self.stop)
        if at < 0 or _end_of(([*ended[0][:last], ended[0][last][:end]], ended[1]), whole) is None:
            return "no_stop"
        return start, (last, end)

    def _rule_against(self, message: Message, contents: Sequence[str]) -> str:
        """The rule that forbids teaching a reply, as far as its text tells; `contents` are its own."""
        said = message.content + json.dumps(message.tool_calls, ensure_ascii=False)
        broken = {
            "empty_reply": not message.content.strip() and not message.tool_calls,
            "lone_surrogate": scalar_values(said) != said,
            "contains_stop": not self.spell.first_control(self.stop) and any(self.stop in one for one in contents),
            "tokenizer_rewrites": not all(map(self.guarded.reads_exactly, contents)),
        }
        return next((rule for rule, holds in broken.items() if holds), "")

    def _write(self, plan: Plan, whole: _Parts, spans: Mapping[int, tuple[Place, Place]]) -> None:
        """Write the row; a turn that is not looked for ends where the next begins."""
        literals, contents = whole
        turns: list[tuple[Place, Place]] = []
        following = (len(literals) - 1, len(literals[-1]))
        for turn in reversed(range(len(plan.messages))):
            turns.append(spans.get(turn, (following, following)))
            following = turns[-1][0]
        read = [self.guarded.canonical(content) for content in contents]
        frame = frame_of(literals, turns[::-1], self.spell)
        plan.row = frame.row(read, list(map(self.guarded.byte_length, read)))


def _end_of(parts: _Parts, whole: _Parts) -> Place | None:
    """Where a beginning of the whole ends in it, or None where it is none."""
    (literals, contents), last = parts, len(parts[1])
    is_beginning = (
        last < len(whole[0])
        and literals[:-1] == whole[0][:last]
        and contents == whole[1][:last]
        and whole[0][last].startswith(literals[-1])
    )
    return (last, len(literals[-1])) if is_beginning else None
