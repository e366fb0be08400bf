"""Role repair: from the turns of a dump to a conversation that can be trained, with a name for what falls away."""

from itertools import groupby
from typing import Literal

from data_tools.records import Record, Turn
from data_tools.rules.tools import repair_with_tools
from templates import Message, Role


def repair(
    record: Record, *, leading_reply: Literal["reject", "context"] = "reject", takes_tools: bool = False
) -> None:
    """Fill `record.messages`: an optional system message, then user and assistant in turn, the last an assistant's.

    Doubled turns of one role become one message (`merged`). What cannot stand in such a conversation is rejected:
    `empty`, `system_not_first`, `tool_turn`, `after_tool_turn`, `leading_reply`, `question_without_reply`,
    `reply_without_question`, `trailing_question`, and every turn of a conversation without a pair as `no_reply`.

    `leading_reply="context"` keeps the reply that opens a piece of a split conversation before the first question,
    as context that is not taught. `takes_tools`: the template has a place for tools, so that calls become replies and
    their answers context, where `repair_with_tools` can read them.

    >>> turns = [("assistant", "...and so on."), ("user", "Thanks"), ("user", "One more:"), ("assistant", "Sure.")]
    >>> record = Record("a", "dump.json", 0, [Turn(i, role, text) for i, (role, text) in enumerate(turns)])
    >>> repair(record)
    >>> [(message.role, message.content) for message in record.messages]
    [('user', 'Thanks\\n\\nOne more:'), ('assistant', 'Sure.')]
    >>> [turn.rule for turn in record.turns]
    ['leading_reply', '', 'merged', '']
    """
    if takes_tools and repair_with_tools(record):
        return
    turns = record.turns
    roles = {turn.role for turn in turns}
    if "tool" in roles:
        _reject_after_tool(turns)
    for turn in turns:
        if not turn.rule and not turn.text.strip():
            turn.rule = "empty"
    system = _leading_system(turns) if "system" in roles else []
    pairs = _pairs(turns)
    leading = (
        [at for at, turn in enumerate(turns) if turn.rule == "leading_reply"] if leading_reply == "context" else []
    )
    if not pairs:
        record.reject("no_reply")
        return
    for position in leading:
        turns[position].rule, turns[position].train = "", False
    groups = [group for group in (system, leading) if group]
    for question, reply in pairs:
        groups += (question, reply)
    record.message_turns = groups
    record.messages = [_merge([turns[position] for position in group]) for group in groups]


def _reject_after_tool(turns: list[Turn]) -> None:
    """A tool's answer is not in the prompt of what follows it, so nothing after it can be taught truthfully."""
    first = next((position for position, turn in enumerate(turns) if turn.role == "tool"), len(turns))
    for turn in turns[first:]:
        if not turn.rule:
            turn.rule = "tool_turn" if turn.role == "tool" else "after_tool_turn"


def _leading_system(turns: list[Turn]) -> list[int]:
    leading, at_start = [], True
    for position, turn in enumerate(turns):
        if turn.role != "system":
            at_start = False
        elif not turn.rule and at_start:
            leading.append(position)
        elif not turn.rule:
            turn.rule = "system_not_first"
    return leading


def _pairs(turns: list[Turn]) -> list[tuple[list[int], list[int]]]:
    """The pairs of a question and its reply, as positions of turns; every other turn gets the rule that drops it."""
    roles = [turn.role for turn in turns]
    spoken = [position for position, role in enumerate(roles) if role in ("user", "assistant")]
    pairs: list[tuple[list[int], list[int]]] = []
    question: list[int] | None = None
    for role, group in groupby(spoken, key=roles.__getitem__):
        members = list(group)
        live = [position for position in members if not turns[position].rule]
        if role == "user":
            question = live
        elif question is None:
            _reject(turns, live, "leading_reply")
        elif question and live:
            pairs.append((question, live))
            question = []
        else:
            _reject(turns, question, "question_without_reply")
            _reject(turns, live, "reply_without_question")
            question = []
    _reject(turns, question or [], "trailing_question")
    return pairs


def _reject(turns: list[Turn], positions: list[int], rule: str) -> None:
    for position in positions:
        turns[position].rule = rule


def _merge(turns: list[Turn]) -> Message:
    role: Role = turns[0].role or "user"
    if len(turns) == 1:
        return Message(role=role, content=turns[0].text, train=turns[0].train)
    for turn in turns[1:]:
        turn.rule = "merged"
    flags = {turn.train for turn in turns}
    # A merged reply is taught only where none of its turns is kept from it.
    train = False if False in flags else True if True in flags else None
    return Message(role=role, content="\n\n".join(turn.text for turn in turns), train=train)
