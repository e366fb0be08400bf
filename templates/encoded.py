"""The result of encoding, and the arithmetic that finds the replies among the token ids."""

from dataclasses import dataclass, field

import numpy as np

from templates.conversation import Conversation, Messages, as_messages
from templates.engine import IdArray
from templates.guard import GuardedTokenizer
from templates.spelling import Literal


@dataclass(slots=True)
class Encoded:
    """A conversation as a model reads it.

    `ids` and `mask` have one entry a token; the mask is True where the token carries loss. `rejected` names the
    assistant's turns that must not be trained, each with the rule that says why. `turn_ends[k]` is the index in `ids`
    after message k: for a reply after its stop token, for any other message after its content.
    """

    ids: list[int] = field(default_factory=list)
    mask: list[bool] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    turn_ends: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Row:
    """One conversation's text in secret spelling, with coordinates (see `spelling`) of what is looked for in it.

    `marks` holds, for each control token and for the row's end, its coordinate; `control_ids` the control tokens in
    order. `points` are the coordinates to find, `sections` the number of control tokens before each of them.
    """

    parts: list[str] = field(default_factory=list)
    coordinate: int = 0
    marks: list[int] = field(default_factory=list)
    control_ids: list[int] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)

    def add_literal(self, literal: Literal) -> None:
        """Append a text of the template."""
        self.parts.append(literal.spelling)
        self.coordinate += literal.head
        for token_id, after in literal.controls:
            self.control_ids.append(token_id)
            self.marks.append(self.coordinate)
            self.coordinate += 1 + after

    def add_content(self, content: str, byte_length: int) -> None:
        """Append the content of a message."""
        self.parts.append(content)
        self.coordinate += byte_length

    def look_for(self, coordinate: int, *, controls_ahead: int = 0) -> None:
        """Ask for the token that begins at a coordinate, `controls_ahead` control tokens further on."""
        self.points.append(coordinate)
        self.sections.append(len(self.marks) + controls_ahead)


@dataclass(frozen=True)
class Found:
    """Where the points of a row fell: token indices, whether a token begins exactly there, and the row's soundness."""

    ids: list[int]
    tokens: list[int]
    exact: list[bool]
    sound: bool


def find(row: Row, flat: IdArray, guarded: GuardedTokenizer) -> Found:
    """Locate a row's points among its token ids by the running sum of the tokens' byte lengths.

    A tokenizer of the SentencePiece kind may put one space before a section of text that the text does not have; the
    sum then runs ahead by one from that section on, which its next mark shows. A row is sound where each section
    runs ahead by no more than that, and each control token is the one that the template wrote.
    """
    ids = flat.tolist()
    sums = np.zeros(len(flat) + 1, dtype=np.int64)
    np.cumsum(guarded.byte_lengths[flat], out=sums[1:])
    at = np.flatnonzero(guarded.is_control[flat])
    marks = np.array([*row.marks, row.coordinate], dtype=np.int64)
    if flat[at].tolist() != row.control_ids:
        return Found(ids=ids, tokens=[0] * len(row.points), exact=[False] * len(row.points), sound=False)
    ahead = sums[np.append(at, len(flat))] - marks
    targets, sound = np.array(row.points, dtype=np.int64), True
    if ahead.any():
        steps = np.diff(ahead, prepend=0)
        sections = np.array(row.sections, dtype=np.int64)
        at_start = targets == np.append(0, marks[:-1] + 1)[sections]
        targets += np.where(at_start, ahead[sections] - steps[sections], ahead[sections])
        sound = bool(((steps == 0) | ((steps == 1) & guarded.may_prefix_space)).all())
    tokens = np.searchsorted(sums, targets)
    exact = sums[np.minimum(tokens, len(flat))] == targets
    return Found(ids=ids, tokens=tokens.tolist(), exact=exact.tolist(), sound=sound)


class Plan:
    """One conversation on its way through `Encoder.encode`."""

    def __init__(self, conversation: Conversation | Messages) -> None:
        self.messages = as_messages(conversation)
        self.tools = conversation.tools if isinstance(conversation, Conversation) else ()
        self.row = Row()
        self.rules: dict[int, str] = {}
        self.refused = False

    def reject_all(self, rule: str) -> None:
        """No text can be made of this conversation: its replies are rejected, and it has no ids."""
        self.refused = True
        self.rules = {turn: rule for turn, message in enumerate(self.messages) if message.role == "assistant"}


def finish(plan: Plan, found: Found) -> Encoded:
    """Mask the replies whose tokens begin and end where their text does."""
    if plan.refused:
        return Encoded(rejected=sorted(plan.rules.items()), turn_ends=[0] * len(plan.messages))
    mask, ends = [False] * len(found.ids), []
    for turn, message in enumerate(plan.messages):
        start, end = found.tokens[2 * turn], found.tokens[2 * turn + 1]
        ends.append(end)
        if message.role != "assistant" or turn in plan.rules:
            continue
        if not found.sound:
            plan.rules[turn] = "tokenizer_rewrites"
        elif not (found.exact[2 * turn] and found.exact[2 * turn + 1]):
            plan.rules[turn] = "token_straddles_reply"
        elif message.train is not False:
            mask[start:end] = [True] * (end - start)
    if ends:
        ends[-1] = len(found.ids)
    return Encoded(ids=found.ids, mask=mask, rejected=sorted(plan.rules.items()), turn_ends=ends)
