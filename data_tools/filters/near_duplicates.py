"""Near duplicates by MinHash (Broder, 1997) and locality-sensitive hashing, over whole conversations.

A conversation is the set of its shingles: the 24 bytes from the beginning of each word (or Chinese, Japanese or
Korean character) on, spaces left out. Two conversations are as similar as their sets overlap (Jaccard). rensa makes
the signatures.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import stringzilla
from rensa import RMinHash

from data_tools.comparable import LAST_SPACE, Comparable
from data_tools.filters import Verdict
from data_tools.records import Record

HASHES = 128
_SHINGLE = 24
_SEED = 20230330  # any number; fixed, so that signatures of two runs can be compared
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
# In UTF-8 these lead the characters of China, Japan and Korea.
_LEADS = bytes(range(0xE3, 0xEE))
# Conversations that are looked at as one: of fewer, numpy's calls take longer; more do not stay in the cache.
_AT_ONCE = 16
# Two conversations that are just similar enough meet in some band with at least this probability.
_SURE = 0.995

Hashes = npt.NDArray[np.uint64]


class NearDuplicateFilter:
    """Rejects, as `near_duplicate`, a conversation that is at least so similar to an earlier one that is kept.

    The estimate of a similarity of 0.8 is off by 0.035 (one standard deviation, 128 hashes). Memory is 512 bytes a
    conversation and a few more for those that resemble others.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._rows = band_rows(threshold)

    def features(self, records: Sequence[Record]) -> list[tuple[str, bytes]]:
        """Where each conversation stands, and its signature."""
        spoken = [
            [text for message, text in zip(one.messages, one.comparables(), strict=True) if message.role != "system"]
            for one in records
        ]
        signed = [
            signature for at in range(0, len(spoken), _AT_ONCE) for signature in signatures(spoken[at : at + _AT_ONCE])
        ]
        return [(one.source, signature) for one, signature in zip(records, signed, strict=True)]

    def decide(self, values: Sequence[tuple[str, bytes]]) -> list[Verdict | None]:
        """A verdict for each copy, which names the earlier conversation and the similarity to it."""
        verdicts: list[Verdict | None] = [None] * len(values)
        if not values:
            return verdicts
        signatures = np.frombuffer(b"".join(held for _, held in values), dtype=np.uint32).reshape(len(values), HASHES)
        buckets: dict[int, list[int]] = defaultdict(list)
        for at, keys in shared_bands(signatures, self._rows):
            met = sorted({earlier for key in keys for earlier in buckets[key]})
            if met:
                alike = (signatures[met] == signatures[at]).mean(axis=1)
                nearest = int(alike.argmax())
                if alike[nearest] >= self.threshold:
                    kept = values[met[nearest]][0]
                    verdicts[at] = Verdict("near_duplicate", f"{alike[nearest]:.2f} like {kept}")
                    continue
            for key in keys:
                buckets[key].append(at)
        return verdicts


def signatures(conversations: Sequence[Sequence[Comparable]]) -> list[bytes]:
    """The MinHash of each conversation's texts, whatever their capitals and spaces: 128 numbers of 32 bits."""
    hashes, ends = shingles(conversations)
    matrix: Any = RMinHash.digest_matrix_from_flat_token_hashes(hashes, ends, HASHES, _SEED)
    return [array("I", row).tobytes() for row in matrix.to_rows()]


def shingles(conversations: Sequence[Sequence[Comparable]]) -> tuple[Hashes, list[int]]:
    """The hash of each shingle of some conversations, and where those of each begin and end.

    The last words of a conversation have shingles that are shorter.

    >>> hashes, ends = shingles([[comparable("A rose is"), comparable("a rose")], [comparable("A rose is a rose")]])
    >>> ends, hashes[:5].tolist() == hashes[5:].tolist()
    ([0, 5, 10], True)
    """
    solid = [b"".join(text.solid for text in texts) for texts in conversations]
    octets = b"".join(one + bytes(_SHINGLE) for one in solid)
    anywhere = np.ndarray(
        shape=(max(0, len(octets) - _SHINGLE + 1),), dtype=f"V{_SHINGLE}", buffer=octets, strides=(1,)
    )
    starts = _word_starts(b" ".join(text.spaced for texts in conversations for text in texts))
    ends = np.searchsorted(starts, np.cumsum([0, *map(len, solid)]))
    places = starts + np.repeat(_SHINGLE * np.arange(len(solid)), ends[1:] - ends[:-1])
    hashes: Hashes = anywhere[places].view("<u8").reshape(-1, len(_MIX)) @ _MIX
    return hashes ^ (hashes >> np.uint64(29)), ends.tolist()


def _word_starts(text: bytes) -> npt.NDArray[np.intp]:
    """Where words begin, counted in the text without its spaces.

    >>> _word_starts(b"a rose is  a rose").tolist()
    [0, 1, 5, 7, 8]
    """
    octets = np.frombuffer(b" " + text + b" ", dtype=np.uint8)
    spaces = np.flatnonzero(octets <= LAST_SPACE)
    # the k-th space, from 0 on, has k before it, the first of which was added here
    starts = (spaces - np.arange(len(spaces)))[:-1][spaces[1:] - spaces[:-1] > 1]
    if stringzilla.find_first_of(text, _LEADS) < 0:
        return starts
    solid = octets[octets > LAST_SPACE]
    begins = (solid >= _LEADS[0]) & (solid <= _LEADS[-1])
    begins[starts] = True
    return np.flatnonzero(begins)


def band_rows(threshold: float) -> int:
    """How many hashes make a band: the most with which two that are just similar enough surely share one.

    >>> band_rows(0.8), band_rows(0.5)
    (6, 3)
    """
    sure = [rows for rows in range(1, 17) if 1 - (1 - threshold**rows) ** (HASHES // rows) >= _SURE]
    return max(sure, default=1)


def shared_bands(signatures: npt.NDArray[np.uint32], rows: int) -> Iterator[tuple[int, list[int]]]:
    """The conversations that share a band with another, in order, with the keys of those bands."""
    bands = HASHES // rows
    factors = np.random.default_rng(_SEED).integers(1, 2**63, size=(bands, rows), dtype=np.uint64) | np.uint64(1)
    keys = np.empty((len(signatures), bands), dtype=np.uint64)
    for band in range(bands):
        held = signatures[:, band * rows : (band + 1) * rows].astype(np.uint64)
        mixed = ((held + np.uint64(band + 1)) * factors[band]).sum(axis=1, dtype=np.uint64)
        keys[:, band] = mixed ^ (mixed >> np.uint64(31))
    flat = np.sort(keys, axis=None)
    repeated = np.unique(flat[1:][flat[1:] == flat[:-1]])
    shared = np.isin(keys, repeated)
    for at in np.flatnonzero(shared.any(axis=1)).tolist():
        yield at, keys[at][shared[at]].tolist()
