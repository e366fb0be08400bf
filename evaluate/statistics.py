"""Intervals and tests. The unit that is drawn is the question: its turns and orders depend on one another."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

RESAMPLES = 4000
_LEVEL = 0.95
_Z = 1.959964
# With up to so many questions every pattern of signs is tried, which is 4,096 of them.
_MOST_EXACT = 12


@dataclass(frozen=True)
class Estimate:
    """A mean or share with its 95% interval (None where one question cannot give one), over `n` questions."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """As plain values."""
        return asdict(self)


def bootstrap_mean(groups: Sequence[Sequence[float]], *, seed: int = 0) -> Estimate | None:
    """The mean of all values, and its percentile interval when whole groups (questions) are drawn with replacement.

    None where there is no value.

    >>> bootstrap_mean([[1.0, 3.0], [5.0, 7.0]])
    Estimate(mean=4.0, low=2.0, high=6.0, n=2)
    """
    held = [group for group in groups if len(group)]
    if not held:
        return None
    sums = np.array([sum(group) for group in held], dtype=np.float64)
    sizes = np.array([len(group) for group in held], dtype=np.float64)
    mean = float(sums.sum() / sizes.sum())
    if len(held) == 1:
        return Estimate(mean, None, None, 1)
    drawn = np.random.default_rng(seed).integers(len(held), size=(RESAMPLES, len(held)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(mean, float(low), float(high), len(held))


def share(hits: float, n: int) -> Estimate | None:
    """A share with Wilson's interval (1927), which holds at 0 and 1 too; None of nothing.

    >>> share(8, 10)
    Estimate(mean=0.8, low=0.490..., high=0.943..., n=10)
    """
    if not n:
        return None
    part, squared = hits / n, _Z * _Z / n
    middle = (part + squared / 2) / (1 + squared)
    half = _Z * math.sqrt(part * (1 - part) / n + squared / (4 * n)) / (1 + squared)
    return Estimate(part, max(0.0, middle - half), min(1.0, middle + half), n)


def sign_flip_p(differences: Sequence[float], *, seed: int = 0) -> float | None:
    """How likely so large a mean difference is if each question's sign were drawn by lot: a paired permutation test.

    Two-sided; exact up to 12 questions, else of 20,000 random patterns. None without a question.

    >>> sign_flip_p([1.0, 2.0, 1.5])
    0.25
    """
    values = np.array(differences, dtype=np.float64)
    if not len(values):
        return None
    if len(values) <= _MOST_EXACT:
        bits = np.arange(2 ** len(values))[:, None] >> np.arange(len(values))
        signs = 1.0 - 2.0 * (bits & 1)
    else:
        random = np.random.default_rng(seed).integers(0, 2, size=(20_000, len(values)))
        signs = np.vstack([np.ones(len(values)), 1.0 - 2.0 * random])
    totals = np.abs(signs @ values)
    return float(np.mean(totals >= abs(values.sum()) - 1e-9))


def sign_test_p(wins: int, losses: int) -> float | None:
    """How likely so uneven a count is if each were a coin's throw: the exact two-sided sign test; ties say nothing.

    >>> sign_test_p(9, 1)
    0.021484375
    """
    n = wins + losses
    if not n:
        return None
    tail = sum(math.comb(n, k) for k in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / float(2**n))


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Spearman's correlation; None where one side does not vary.

    >>> rank_correlation([1, 2, 3], [10, 20, 15])
    0.5
    """
    if len(set(xs)) < 2 or len(set(ys)) < 2:
        return None
    return round(float(np.corrcoef(_ranks(xs), _ranks(ys))[0, 1]), 12)


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    array = np.array(values, dtype=np.float64)
    return [float((array < value).sum() + ((array == value).sum() + 1) / 2) for value in array]
