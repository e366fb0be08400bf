"""What several data commands share."""

from collections import Counter

from templates import InputError


def check_workers(workers: int | None) -> None:
    """Raise InputError where `--workers` is not a number of processes."""
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give the number of processes, 1 or more")


def check_n(n: int) -> None:
    """Raise InputError where `--n` is not a number of conversations."""
    if n < 1:
        raise InputError(f"--n {n}: give the number of conversations to write, 1 or more")


def in_words(counts: Counter[str]) -> str:
    """Counts by name, the largest first.

    >>> in_words(Counter(empty=1, leading_reply=1203))
    'leading_reply 1,203, empty 1'
    """
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered) or "none"
