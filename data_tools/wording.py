"""Counts in words, as commands and errors say them."""

from collections import Counter


def in_words(counts: Counter[str]) -> str:
    """Counts by name, the largest first.

    >>> in_words(Counter(empty=1, leading_reply=1203))
    'leading_reply 1,203, empty 1'
    """
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered) or "none"
