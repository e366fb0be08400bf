"""Train and held-out parts: by group, so that no piece or copy of a conversation stands on both sides."""

import re
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from data_tools.records import Record

# ShareGPT's ids have seven characters; a number after them counts the pieces of a split conversation.
_PIECE = re.compile(r"([A-Za-z0-9_-]{7,})_\d+")
# Two conversations that share a pair of at least this many characters belong together; shorter ones are small talk.
_LONG_PAIR = 200
# The held-out part is full when it lacks less than this share of its size.
_CLOSE = 0.1


def reject_duplicates(records: Sequence[Record]) -> None:
    """Reject every conversation whose messages equal those of an earlier one, as `duplicate`.

    Of those with one id, that only begin as a longer one does, each is rejected as `superseded`.
    """
    _reject_superseded(records)
    seen: set[bytes] = set()
    for record in records:
        if not record.messages:
            continue
        digest = _digest(*(part for message in record.messages for part in (message.role, message.content)))
        if digest in seen:
            record.reject("duplicate")
        seen.add(digest)


def _reject_superseded(records: Sequence[Record]) -> None:
    """A log writes a chat down after each reply: keep the longest."""
    by_id: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.messages and record.id:
            by_id[record.id].append(record)
    for group in by_id.values():
        for record in group:
            length = len(record.messages)
            if any(len(one.messages) > length and one.messages[:length] == record.messages for one in group):
                record.reject("superseded")


def held_out(records: Sequence[Record], *, fraction: float, seed: int) -> list[bool]:
    """Which conversations are held out: whole groups, chosen by hash, so that their order in the input is of no matter.

    The fraction is of the characters, so that one huge conversation is not taken for one among many. At least one
    group is held out where the fraction is above 0 and there are two groups, and one always stays.
    """
    groups = _groups(records)
    flags = [False] * len(records)
    if fraction <= 0 or len(groups) < 2:
        return flags
    sizes = [sum(len(message.content) for message in record.messages) for record in records]
    names = [min(_digest(str(seed), *_key(records[member])) for member in group) for group in groups]
    named = [(name, sum(sizes[member] for member in group), group) for name, group in zip(names, groups, strict=True)]
    target = fraction * sum(sizes)
    chosen: list[int] = []
    for _, size, group in sorted(named):
        # A group that would overshoot is passed by; what is left then is filled by others, but not to the last drop.
        if size <= target:
            chosen += group
            target -= size
        if chosen and target < _CLOSE * fraction * sum(sizes):
            break
    for member in chosen or min(named, key=lambda one: one[1])[2]:
        flags[member] = True
    return flags


def _groups(records: Sequence[Record]) -> list[list[int]]:
    """Union-find over what conversations share: the base of a split id, or a long pair of question and reply."""
    parents = list(range(len(records)))

    def root_of(member: int) -> int:
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member

    first_with: dict[bytes | str, int] = {}
    for member, record in enumerate(records):
        for key in _shared_keys(record):
            parents[root_of(member)] = root_of(first_with.setdefault(key, member))
    groups: dict[int, list[int]] = defaultdict(list)
    for member in range(len(records)):
        groups[root_of(member)].append(member)
    return list(groups.values())


def _shared_keys(record: Record) -> list[bytes | str]:
    piece = _PIECE.fullmatch(record.id)
    keys: list[bytes | str] = [piece[1]] if piece else []
    for question, reply in zip(record.messages, record.messages[1:], strict=False):
        if question.role == "user" and len(question.content) + len(reply.content) >= _LONG_PAIR:
            keys.append(_digest(*(" ".join(text.casefold().split()) for text in (question.content, reply.content))))
    return keys


def _key(record: Record) -> list[str]:
    return [record.id, *(message.content for message in record.messages)]


def _digest(*parts: str) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return digest.digest()
