"""What of a long conversation still fits a model's context, by the rule of training windows.

As in `data_tools.windows`: a conversation is cut between pairs of question and reply, what follows opens with the
system prompt, and as many pairs as there is room for stand before the last question.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from serve.chat.stream import ChatMessage

# Kept free for the reply where no greatest length is set: an eighth of the context.
_REPLY_SHARE = 8

Count = Callable[[Sequence[ChatMessage]], Awaitable[int | None]]


@dataclass(frozen=True)
class Fitted:
    """What is sent, and how many of the earliest messages (the system prompt aside) are left out of it."""

    messages: list[ChatMessage]
    left_out: int = 0


async def fit(messages: list[ChatMessage], *, context: int | None, max_tokens: int, count: Count) -> Fitted:
    """Leave out the earliest pairs that have no room. The last question is always sent, whatever its length.

    `context` is the model's in tokens, None where nobody knows it; then everything is sent.
    """
    if context is None or _surely_fits(messages, room := _room(context, max_tokens)):
        return Fitted(messages)
    system = [message for message in messages[:1] if message["role"] == "system"]
    turns = messages[len(system) :]
    starts = [at for at, message in enumerate(turns) if message["role"] == "user"] or [0]
    if starts[0]:
        starts = [0, *starts]
    counts: dict[int, int | None] = {}
    low, high = 0, len(starts) - 1  # the first start from which all fits lies between the two
    while low < high:
        middle = (low + high) // 2 if counts else 0
        counts[middle] = await count([*system, *turns[starts[middle] :]])
        tokens = counts[middle]
        if tokens is None:
            return Fitted(messages)
        low, high = (low, middle) if tokens <= room else (middle + 1, high)
    return Fitted([*system, *turns[starts[low] :]], left_out=starts[low])


def _room(context: int, max_tokens: int) -> int:
    reply = max_tokens if 0 < max_tokens < context else context // _REPLY_SHARE
    return context - reply


def _surely_fits(messages: Sequence[ChatMessage], room: int) -> bool:
    """A token is at least a byte long, and a template writes a few around each message and before all."""
    return 256 + sum(len(message["content"].encode()) + 32 for message in messages) <= room
