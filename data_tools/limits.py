"""Which pairs of a conversation are kept, and which of its replies are taught."""

from dataclasses import replace

from data_tools.records import Record


def keep_pairs(record: Record, most: int) -> None:
    """Keep the first pairs of a conversation; the turns after them are rejected as `max_pairs`.

    >>> keep_pairs(record, 1)
    >>> [message.role for message in record.messages], record.turns[-1].rule
    (['user', 'assistant'], 'max_pairs')
    """
    questions = [at for at, message in enumerate(record.messages) if message.role == "user"]
    if len(questions) <= most:
        return
    end = questions[most]
    for position in (position for group in record.message_turns[end:] for position in group):
        record.turns[position].rule = "max_pairs"
    record.messages, record.message_turns = record.messages[:end], record.message_turns[:end]


def teach_only_last(record: Record) -> None:
    """Make every reply but the last context.

    >>> teach_only_last(record)
    >>> [message.train for message in record.messages]
    [None, False, None, None]
    """
    last = len(record.messages) - 1
    record.messages = [
        replace(message, train=False) if message.role == "assistant" and at < last else message
        for at, message in enumerate(record.messages)
    ]
