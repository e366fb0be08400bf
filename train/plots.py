"""Line plots as inline SVG, small enough to be read as text: no script, no network, colours by CSS variables."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

# (step, value) in the order of the steps
Points: TypeAlias = Sequence[tuple[int, float]]

_WIDTH, _HEIGHT = 560, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 30
_TICKS = 4
_MOST_POINTS = 1000


def line_plot(series: Mapping[str, Points], *, label: str) -> str:
    """A plot of up to three series over the steps; a series of few points shows each as a dot with its value.

    Values that are not finite are left out. `label` is what a screen reader says of the plot.
    """
    finite = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    values = [y for points in finite.values() for _, y in points]
    if not values:
        return '<p class="dim">nothing was measured</p>'
    last = max(x for points in finite.values() for x, _ in points)
    ticks = nice_ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (_WIDTH - _LEFT - _RIGHT) * x / max(1, last)
        up = (_HEIGHT - _TOP - _BOTTOM) * (y - low) / (high - low)
        return round(_LEFT + across, 1), round(_HEIGHT - _BOTTOM - up, 1)

    parts = [_grid(y, place(0, y)[1]) for y in ticks]
    parts += [_step(x, place(x, low)[0]) for x in sorted({0, last // 2, last})]
    for number, (name, points) in enumerate(finite.items()):
        parts.append(_series(name, [(*place(x, y), x, y) for x, y in _thinned(points)], number))
    opening = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
    return "\n".join([opening, *parts, "</svg>"])


def nice_ticks(low: float, high: float) -> list[float]:
    """Round values that begin below `low` and end above `high`, about five of them.

    >>> nice_ticks(1.03, 2.41)
    [1.0, 1.5, 2.0, 2.5]
    """
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def in_short(value: float) -> str:
    """A figure for an axis or a table.

    >>> in_short(176.31), in_short(0.00002), in_short(1.3682), in_short(541490)
    ('176', '2e-05', '1.368', '541,490')
    """
    size = abs(value)
    if value == int(value) or size >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if size < 0.01 else f"{value:.4g}"


def _thinned(points: Points) -> Points:
    """Every n-th point of very long runs, and the last."""
    stride = -(-len(points) // _MOST_POINTS)
    kept = list(points[::stride])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def _grid(value: float, y: float) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
    return f'{line}<text class="tick y" x="{_LEFT - 8}" y="{y + 4}">{escape(in_short(value))}</text>'


def _step(step: int, x: float) -> str:
    return f'<text class="tick x" x="{x}" y="{_HEIGHT - 8}">{step:,}</text>'


def _series(name: str, placed: Sequence[tuple[float, float, int, float]], number: int) -> str:
    path = " ".join(f"{x},{y}" for x, y, _, _ in placed)
    dots = "".join(
        f'<circle class="dot s{number}" cx="{x}" cy="{y}" r="3.5">'
        f"<title>{escape(name)}, step {step}: {escape(in_short(value))}</title></circle>"
        for x, y, step, value in (placed if len(placed) <= 40 else placed[-1:])
    )
    return f'<polyline class="line s{number}" points="{path}"/>{dots}'
