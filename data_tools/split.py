"""Train and held-out parts: by group, so that no piece or copy of a conversation stands on both sides."""

import re
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from data_tools.records import Record

# ShareGPT's ids have seven characters; a number after them counts the pieces of a split conversation.
_PIECE = re.compile(r"([A-Za-z0-9_-]{7})_\d+")
# Two conversations that share a pair of at least this many characters belong together; shorter ones are small talk.
_LONG_PAIR = 200


def reject_duplicates(records: Sequence[Record]) -> None:
    """Reject every conversation whose messages equal those of an earlier one, as `duplicate`."""
    seen: set[bytes] = set()
    for record in records:
        if not record.messages:
            continue
        digest = _digest(*(part for message in record.messages for part in (message.role, message.content)))
        if digest in seen:
            record.reject("duplicate")
        seen.add(digest)


def held_out(records: Sequence[Record], *, fraction: float, seed: int) -> list[bool]:
    """Which conversations are held out: whole groups, chosen by hash, so that their order in the input is of no matter.

    At least one group is held out where the fraction is above 0 and there are two groups, and one always stays.
    """
    groups = _groups(records)
    names = {root: min(_digest(str(seed), *_key(records[member])) for member in members) for root, members in groups}
    order = sorted(groups, key=lambda group: names[group[0]])
    target = max(1, round(fraction * len(records)))
    chosen: list[int] = []
    if fraction > 0 and len(groups) > 1:
        for _, members in order:
            if len(chosen) + len(members) <= target:
                chosen += members
        if not chosen:
            chosen = min(order, key=lambda group: len(group[1]))[1]
    flags = [False] * len(records)
    for member in chosen:
        flags[member] = True
    return flags


def _groups(records: Sequence[Record]) -> list[tuple[int, list[int]]]:
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
    return list(groups.items())


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
