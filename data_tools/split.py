"""Copies, and the train and held-out parts: by group, so that no piece or copy of a conversation stands on both sides.

All is decided on digests of 16 bytes, so that the texts need not be in memory.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import stringzilla

from data_tools.pieces import piece_of
from data_tools.records import Record

# Two conversations that share a pair of at least this many characters belong together; shorter ones are small talk.
_LONG_PAIR = 200
# The held-out part is full when it lacks less than this share of its size.
_CLOSE = 0.1
_SIZE = 16


class Keys(NamedTuple):
    """What the decisions need of a conversation.

    `so_far` holds a digest for each message, of the conversation up to and with it; none where it has no messages.
    `size` is in characters, `shared` are the digests by which it belongs to a group, and `name` orders the groups.
    """

    id: str
    so_far: bytes
    size: int
    shared: tuple[bytes, ...]
    name: bytes


def keys_of(record: Record, *, seed: int) -> Keys:
    """The keys of a conversation; `seed` is that of the split."""
    digest = blake2b(digest_size=_SIZE)
    so_far = [b""]
    for message in record.messages:
        digest.update(_utf8(f"{message.role} {len(message.content)}:{message.content}"))
        if message.tool_calls or (record.tools and len(so_far) == 1):
            digest.update(_utf8(json.dumps([message.tool_calls, record.tools], ensure_ascii=False)))
        so_far.append(digest.digest())
    size = sum(len(message.content) for message in record.messages)
    name = _digest(_utf8(f"{seed} {record.id}"), so_far[-1])
    return Keys(record.id, b"".join(so_far), size, tuple(_shared_keys(record)), name)


def copies(keys: Sequence[Keys]) -> list[str]:
    """Why each conversation is rejected, or nothing: `duplicate` where its messages equal those of an earlier one.

    Of those with one id, that only begin as a longer one does, each is `superseded`: a log writes a chat down after
    each reply, and the longest is kept.
    """
    begun = _beginnings(keys)
    seen: set[bytes] = set()
    rules: list[str] = []
    for one in keys:
        whole = one.so_far[-_SIZE:]
        if not whole:
            rules.append("")
        elif whole in begun.get(one.id, ()):
            rules.append("superseded")
        else:
            rules.append("duplicate" if whole in seen else "")
            seen.add(whole)
    return rules


def _beginnings(keys: Sequence[Keys]) -> dict[str, set[bytes]]:
    """For each id that several conversations have: the digests of all that they begin with."""
    by_id: dict[str, list[bytes]] = defaultdict(list)
    for one in keys:
        if one.id and one.so_far:
            by_id[one.id].append(one.so_far)
    return {
        name: {so_far[at : at + _SIZE] for so_far in group for at in range(0, len(so_far) - _SIZE, _SIZE)}
        for name, group in by_id.items()
        if len(group) > 1
    }


def held_out(keys: Sequence[Keys], *, fraction: float) -> list[bool]:
    """Which conversations are held out: whole groups, chosen by hash, so that their order in the input is of no matter.

    The fraction is of the characters, so that one huge conversation is not taken for one among many. At least one
    group is held out where the fraction is above 0 and there are two groups, and one always stays.
    """
    groups = _groups(keys)
    flags = [False] * len(keys)
    if fraction <= 0 or len(groups) < 2:
        return flags
    whole = sum(one.size for one in keys)
    named = [
        (min(keys[member].name for member in group), sum(keys[member].size for member in group), group)
        for group in groups
    ]
    target = fraction * whole
    chosen: list[int] = []
    for _, size, group in sorted(named):
        # A group that would overshoot is passed by; what is left then is filled by others, but not to the last drop.
        if size <= target:
            chosen += group
            target -= size
        if chosen and target < _CLOSE * fraction * whole:
            break
    for member in chosen or min(named, key=lambda one: one[1])[2]:
        flags[member] = True
    return flags


def _groups(keys: Sequence[Keys]) -> list[list[int]]:
    """Union-find over what conversations share: the base of a split id, or a long pair of question and reply."""
    parents = list(range(len(keys)))

    def root_of(member: int) -> int:
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member

    first_with: dict[bytes, int] = {}
    for member, one in enumerate(keys):
        for key in one.shared:
            parents[root_of(member)] = root_of(first_with.setdefault(key, member))
    groups: dict[int, list[int]] = defaultdict(list)
    for member in range(len(keys)):
        groups[root_of(member)].append(member)
    return list(groups.values())


def _shared_keys(record: Record) -> list[bytes]:
    piece = piece_of(record.id)
    keys = [piece.base.encode()] if piece and record.messages else []
    pairs = pairwise(zip(record.messages, record.comparables(), strict=True))
    for (question, asked), (reply, replied) in pairs:
        if question.role == "user" and len(question.content) + len(reply.content) >= _LONG_PAIR:
            # That two pairs share a hash by chance, or someone's will, does no more than put them on one side.
            keys.append(b"%x %x" % (stringzilla.hash(asked.solid), stringzilla.hash(replied.solid)))
    return keys


def _digest(first: bytes, second: bytes) -> bytes:
    return blake2b(b"%d:%b%b" % (len(first), first, second), digest_size=_SIZE).digest()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
