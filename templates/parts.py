"""Parts of a conversation out of its own ids, where a tokenizer would find the same ones again.

A tokenizer begins anew after the control token that ends a reply. So where a template writes the same around every pair
of question and reply, what follows a pair has the ids that it has in the whole, and only the first pair of a part,
which stands after the system's words there, has to be encoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from templates.conversation import Conversation, Message, Role
from templates.encoded import Encoded
from templates.encoder import Encoder
from templates.layout import Layout
from templates.template import RenderError

_PAIR: tuple[Role, ...] = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Part:
    """The pairs of a conversation from message `start` to `end`, after its system prompt; `whole` is its encoding."""

    conversation: Conversation
    whole: Encoded
    start: int
    end: int

    @property
    def is_beginning(self) -> bool:
        """Whether it is how the conversation begins, so that none of it has to be encoded."""
        return self.start == self.conversation.system_length

    def until(self, end: int) -> Conversation:
        """Its messages, those of its pairs up to `end`, as a conversation."""
        messages = self.conversation.messages
        return replace(
            self.conversation, messages=messages[: self.conversation.system_length] + messages[self.start : end]
        )

    def roles(self) -> tuple[Role, ...]:
        """The roles of its messages."""
        return tuple(message.role for message in self.until(self.end).messages)


class PartEncoder:
    """Encodes parts of conversations as `Encoder.encode` does, most of each taken out of the ids of the whole."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._joints = lru_cache(maxsize=4096)(self._joints_of)
        pair = [Message(role=role, content="Hello") for role in _PAIR]
        once, twice = encoder.encode([pair, pair * 2])
        repeated = self._joints(_PAIR * 2)
        self._repeated = repeated if repeated is not None and self._begins_anew(repeated) else None
        self._tail = len(once.id_array) - twice.turn_ends[1]  # the ids after the last reply's stop

    def encode(self, parts: Sequence[Part]) -> list[Encoded]:
        """The encoding of each part."""
        joinable = [at for at, part in enumerate(parts) if self._may_join(part)]
        inner = [at for at in joinable if not parts[at].is_beginning]
        heads = self._encoder.encode([parts[at].until(parts[at].start + 2) for at in inner])
        head_of = dict(zip(inner, heads, strict=True))
        made = {
            at: join(parts[at], head_of.get(at), tail=self._tail)
            for at in joinable
            if at not in head_of or not head_of[at].rejected
        }
        others = [at for at in range(len(parts)) if at not in made]
        encoded = self._encoder.encode([parts[at].until(parts[at].end) for at in others])
        made.update(zip(others, encoded, strict=True))
        return [made[at] for at in range(len(parts))]

    def _begins_anew(self, joints: "Joints") -> bool:
        """Whether the tokenizer begins anew after what ends a reply, and again after what follows the last one's."""
        stop = self._encoder.stop
        if joints.between is None or not self._encoder.keeps_whitespace:
            return False
        if not (self._encoder.stop_ids and joints.last.startswith(stop) and joints.between.startswith(joints.last)):
            return False
        rest = joints.between[len(joints.last) :]
        return joints.last == stop or rest.startswith(tuple(self._encoder.control_strings))

    def _may_join(self, part: Part) -> bool:
        if self._repeated is None or part.whole.rejected or part.conversation.uses_tools:
            return False
        whole = self._joints(tuple(message.role for message in part.conversation.messages))
        if whole is None or (whole.between, whole.last) != (self._repeated.between, self._repeated.last):
            return False
        return whole.agree(self._joints(part.roles()))

    def _joints_of(self, roles: tuple[Role, ...]) -> "Joints | None":
        try:
            return joints_of(roles, self._encoder.layout(roles))
        except RenderError:
            return None


class Joints(NamedTuple):
    """What a template writes around pairs: before the first question, before each reply and what of that asks for it,
    before each further question (None of a single pair), and after the last reply.
    """

    head: tuple[str, ...]
    answer: str
    prompt: str | None
    between: str | None
    last: str

    def agree(self, other: "Joints | None") -> bool:
        """Whether the other's pairs stand in the same words."""
        if other is None:
            return False
        return self == (other._replace(between=self.between) if other.between is None else other)


def joints_of(roles: Sequence[Role], layout: Layout) -> Joints | None:
    """The joints of a layout; None where its messages are not pairs, or not all pairs stand in the same words.

    >>> joints_of(("user", "assistant"), vicuna_layout)
    Joints(head=('<s>A chat ... USER: ',), answer=' ASSISTANT:', prompt=' ASSISTANT:', between=None, last='</s>')
    """
    first, literals = int(roles[0] == "system"), layout.literals
    count, odd = divmod(len(roles) - first, 2)
    if odd or not count or tuple(roles[first:]) != _PAIR * count:
        return None
    answers, betweens = set(literals[first + 1 : -1 : 2]), set(literals[first + 2 : -1 : 2])
    prompts = set(layout.prompt_literals[first + 1 :: 2])
    if len(answers) > 1 or len(betweens) > 1 or len(prompts) > 1:
        return None
    between = betweens.pop() if betweens else None
    return Joints(literals[: first + 1], answers.pop(), prompts.pop(), between, literals[-1])


def join(part: Part, head: Encoded | None, *, tail: int) -> Encoded:
    """The encoding of a part: that of its first pair alone (`head`), and what follows this pair in the whole.

    `tail` counts the ids that follow the last reply's stop. The beginning of a conversation needs no head.
    """
    whole, start, end = part.whole, part.start, part.end
    stop = len(whole.id_array) if end == len(whole.turn_ends) else whole.turn_ends[end - 1] + tail
    if head is None:
        ends, counts = [*whole.turn_ends[: end - 1], stop], whole.supervised[:end]
        return Encoded(whole.id_array[:stop], whole.mask_array[:stop], [], ends, counts)
    if end == start + 2:
        return head
    begin, length = whole.turn_ends[start + 1], len(head.id_array) - tail
    ids = np.concatenate((head.id_array[:length], whole.id_array[begin:stop]))
    mask = np.concatenate((head.mask_array[:length], whole.mask_array[begin:stop]))
    moved = [place - begin + length for place in whole.turn_ends[start + 2 : end - 1]]
    counts = [*head.supervised, *whole.supervised[start + 2 : end]]
    return Encoded(ids, mask, [], [*head.turn_ends[:-1], length, *moved, len(ids)], counts)
