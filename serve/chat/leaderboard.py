"""Which model do people prefer? Strengths by Bradley and Terry (1952), with intervals, as a table and a plot."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from serve.chat.votes import Tally

# As in chess: 400 points are odds of ten to one. The mean of all models stands at 1000.
_SCALE, _CENTRE = 400.0, 1000.0
_RESAMPLES = 200
_SEED = 20230503
# Each model is given one tie with an average one, so that a model that always wins keeps a finite strength.
_PRIOR = 0.5
_STEPS = 50
_Z = 1.959964

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rating:
    """A model's points with their 95% interval, and its votes. `both_bad` moves no points, but is counted."""

    model: str
    points: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int
    both_bad: int


def ratings(tally: Tally) -> list[Rating]:
    """The models in the order of their points. A tie is half a win for each side.

    An interval is the wider of the bootstrap's and of the likelihood's curvature: votes that all agree leave the
    bootstrap nothing to draw from.

    >>> [(one.model, round(one.points), one.wins) for one in ratings({("x", "y", "a"): 3})]
    [('x', 1203, 3), ('y', 797, 0)]
    """
    models = sorted({name for model_a, model_b, _ in tally for name in (model_a, model_b)})
    if not models:
        return []
    outcomes, counts = _decided(tally, {name: number for number, name in enumerate(models)})
    won = _won(outcomes, counts, len(models))
    points = fit(won)
    error = _Z * _standard_error(points, won)
    low, high = _bootstrap(outcomes, counts, len(models)) if len(counts) else (points, points)
    low, high = np.minimum(low, points - error), np.maximum(high, points + error)
    rows = [
        Rating(name, float(points[n]), float(low[n]), float(high[n]), *_counts(tally, name))
        for n, name in enumerate(models)
    ]
    return sorted(rows, key=lambda row: (-row.points, row.model))


def _bootstrap(outcomes: Matrix, counts: Matrix, size: int) -> tuple[Matrix, Matrix]:
    """The middle 95% of the points where as many votes are drawn again from these, with replacement."""
    total = int(counts.sum())
    drawn = np.random.default_rng(_SEED).multinomial(total, counts / total, size=_RESAMPLES)
    low, high = np.quantile([fit(_won(outcomes, each, size)) for each in drawn], [0.025, 0.975], axis=0)
    return low, high


def fit(won: Matrix) -> Matrix:
    """The points of models of which `won[i, j]` is how often i was preferred to j (a tie is a half on both sides).

    Newton's method on the likelihood of the logistic model; the prior makes it strictly concave.
    """
    size = len(won)
    played, wins = won + won.T, won.sum(axis=1)
    strength = np.zeros(size)
    for _ in range(_STEPS):
        expected, curvature = _expected(strength, played)
        step = np.linalg.solve(curvature, wins + _PRIOR - expected)
        strength += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    points: Matrix = _CENTRE + _SCALE / np.log(10) * (strength - strength.mean())
    return points


def _expected(strength: Matrix, played: Matrix) -> tuple[Matrix, Matrix]:
    """The wins that models of these strengths expect, the prior's among them, and the likelihood's curvature there."""
    chance = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
    to_average = 1 / (1 + np.exp(-strength))
    weight = played * chance * (1 - chance)
    curvature = np.diag(weight.sum(axis=1) + 2 * _PRIOR * to_average * (1 - to_average)) - weight
    return (played * chance).sum(axis=1) + 2 * _PRIOR * to_average, curvature


def _standard_error(points: Matrix, won: Matrix) -> Matrix:
    """How far points are off by one standard deviation, by the likelihood's curvature at its top."""
    _, curvature = _expected((points - _CENTRE) * np.log(10) / _SCALE, won + won.T)
    centring = np.eye(len(won)) - 1 / len(won)
    covariance = centring @ np.linalg.inv(curvature) @ centring
    error: Matrix = np.sqrt(np.diag(covariance).clip(0)) * _SCALE / np.log(10)
    return error


def _decided(tally: Tally, at: dict[str, int]) -> tuple[Matrix, Matrix]:
    """The votes that move points: a row is the two models' numbers and what the first got; then how often each was."""
    shares = {"a": 1.0, "b": 0.0, "tie": 0.5}
    rows = [
        (at[model_a], at[model_b], shares[winner], count)
        for (model_a, model_b, winner), count in sorted(tally.items())
        if winner in shares and model_a != model_b
    ]
    table = np.array(rows, dtype=float).reshape(len(rows), 4)
    return table[:, :3], table[:, 3]


def _won(outcomes: Matrix, counts: npt.NDArray[np.float64 | np.int64], size: int) -> Matrix:
    won = np.zeros((size, size))
    first, second = outcomes[:, 0].astype(int), outcomes[:, 1].astype(int)
    np.add.at(won, (first, second), outcomes[:, 2] * counts)
    np.add.at(won, (second, first), (1 - outcomes[:, 2]) * counts)
    return won


def _counts(tally: Tally, model: str) -> tuple[int, int, int, int]:
    """Wins, ties, losses, and how often both were bad."""
    own: Counter[str] = Counter()
    for (model_a, model_b, winner), count in tally.items():
        if model in (model_a, model_b):
            is_mine = winner == ("a" if model_a == model else "b")
            own["win" if is_mine else "loss" if winner in ("a", "b") else winner] += count
    return own["win"], own["tie"], own["loss"], own["both_bad"]


def plot(rows: Sequence[Rating]) -> str:
    """The points as an inline SVG that a phone can show: a model's name and points, and below them a dot on a line.

    The line is its interval, the dashed one the mean of all. Colours are the page's variables.
    """
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    margin = max(10.0, (high - low) * 0.04)
    low, high = low - margin, high + margin

    def x(points: float) -> float:
        return round(420 * (points - low) / (high - low), 1)

    height = 48 * len(rows) + 4
    parts = [f'<line class="centre" x1="{x(_CENTRE)}" x2="{x(_CENTRE)}" y1="0" y2="{height}"/>']
    for number, row in enumerate(rows):
        y = 48 * number + 36
        name = row.model if len(row.model) <= 36 else f"{row.model[:35]}…"
        parts.append(
            f'<text x="0" y="{y - 14}">{escape(name)}</text>'
            f'<text class="value" x="420" y="{y - 14}" text-anchor="end">{row.points:.0f}</text>'
            f'<line class="interval" x1="{x(row.low)}" x2="{x(row.high)}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{x(row.points)}" cy="{y}" r="6"/>'
        )
    label = "; ".join(f"{row.model} {row.points:.0f}, {row.low:.0f} to {row.high:.0f}" for row in rows)
    return f'<svg viewBox="0 0 420 {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
