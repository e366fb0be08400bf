"""The result of encoding: token ids, and which of them carry loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from templates.conversation import Message
from templates.engine import IdArray
from templates.rows import Found, Row

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A conversation as a model reads it.

    `ids` and `mask` have one entry a token; the mask is True where the token carries loss. `id_array` and
    `mask_array` are the same without a Python object for each token. `rejected` names the assistant's turns that must
    not be trained, each with the rule that says why. `turn_ends[k]` is the index in `ids` after message k: for a
    reply after its stop token, for any other message after its content. `supervised[k]` counts its supervised tokens.
    """

    id_array: IdArray = field(default_factory=lambda: np.empty(0, dtype=np.uint32))
    mask_array: BoolArray = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    rejected: list[tuple[int, str]] = field(default_factory=list)
    turn_ends: list[int] = field(default_factory=list)
    supervised: list[int] = field(default_factory=list)

    @cached_property
    def ids(self) -> list[int]:
        """The token ids."""
        return list(self.id_array.tolist())

    @cached_property
    def mask(self) -> list[bool]:
        """Whether each token carries loss."""
        return list(self.mask_array.tolist())


@dataclass(slots=True)
class Plan:
    """One conversation on its way through `Encoder.encode`; it has no row where no text can be made of it.

    `rules` are those that forbid teaching a reply, as far as is known before there are ids.
    """

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    rules: dict[int, str] = field(default_factory=dict)
    row: Row | None = None

    def reject_all(self, rule: str) -> None:
        """No text can be made of this conversation: its replies are rejected, and it has no ids."""
        self.rules = {turn: rule for turn, message in enumerate(self.messages) if message.role == "assistant"}


def refused(plan: Plan) -> Encoded:
    """What a conversation without a row comes to."""
    nothing = [0] * len(plan.messages)
    return Encoded(rejected=sorted(plan.rules.items()), turn_ends=nothing, supervised=nothing)


def finish(plan: Plan, ids: IdArray, found: Found) -> Encoded:
    """Mask the replies whose tokens begin and end where their text does."""
    mask, ends = np.zeros(len(ids), dtype=np.bool_), found.tokens[1::2]
    supervised = [0] * len(ends)
    for turn, message in enumerate(plan.messages):
        if message.role != "assistant" or turn in plan.rules:
            continue
        start, end = found.tokens[2 * turn], ends[turn]
        if not found.sound:
            plan.rules[turn] = "tokenizer_rewrites"
        elif not (found.exact[2 * turn] and found.exact[2 * turn + 1]):
            plan.rules[turn] = "token_straddles_reply"
        elif message.train is not False:
            mask[start:end] = True
            supervised[turn] = end - start
    if ends:
        ends[-1] = len(ids)
    return Encoded(ids, mask, sorted(plan.rules.items()), ends, supervised)
