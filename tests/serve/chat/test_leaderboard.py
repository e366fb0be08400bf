import math
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.chat.leaderboard import fit, plot, ratings
from serve.chat.votes import Winner


def test_two_models_stand_as_far_apart_as_their_odds() -> None:
    """Without a prior the odds of 300 to 100 are 400 * log10(3) = 190.8 points; one tie in 400 votes moves little."""
    better, worse = fit(np.array([[0.0, 300.0], [100.0, 0.0]]))
    assert better - worse == pytest.approx(400 * math.log10(3), rel=0.01)
    assert better + worse == pytest.approx(2000)


def test_simulated_strengths_are_found_within_their_intervals() -> None:
    rng = np.random.default_rng(7)
    true = {"weak": 900.0, "middle": 1000.0, "strong": 1100.0}
    names = list(true)
    votes: Counter[tuple[str, str, Winner]] = Counter()
    for _ in range(600):
        a, b = rng.choice(names, size=2, replace=False)
        chance = 1 / (1 + 10 ** ((true[b] - true[a]) / 400))
        votes[str(a), str(b), "a" if rng.random() < chance else "b"] += 1
    found = ratings(votes)
    assert [row.model for row in found] == ["strong", "middle", "weak"]
    assert all(row.low <= true[row.model] <= row.high for row in found)


WINNERS: tuple[Winner, ...] = ("a", "b", "tie", "both_bad")
OUTCOMES = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from("xyz"), st.sampled_from(["a", "b", "tie", "both_bad"])),
    max_size=12,
)


@settings(deadline=None, max_examples=25)
@given(OUTCOMES)
def test_points_are_finite_and_sides_do_not_matter(
    outcomes: list[tuple[str, str, Winner]],
) -> None:
    swapped: dict[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie", "both_bad": "both_bad"}
    rows = ratings(Counter(outcomes))
    mirrored = ratings(Counter((b, a, swapped[winner]) for a, b, winner in outcomes if a != b))
    points = {row.model: row.points for row in rows}
    assert all(math.isfinite(value) for row in rows for value in (row.points, row.low, row.high))
    assert all(points[row.model] == pytest.approx(row.points) for row in mirrored if len(mirrored) == len(rows))


def test_three_votes_that_agree_are_no_certainty() -> None:
    first, second = ratings({("x", "y", "a"): 3})
    assert first.low < 1000 < second.high


def test_ties_are_half_and_both_bad_moves_nothing() -> None:
    rows = ratings({("x", "y", "tie"): 1, ("x", "y", "both_bad"): 1})
    assert [round(row.points) for row in rows] == [1000, 1000]
    assert [(row.wins, row.ties, row.losses, row.both_bad) for row in rows] == [(0, 1, 0, 1)] * 2
    assert ratings({}) == []


def test_intervals_are_those_of_votes_that_are_drawn_one_by_one() -> None:
    """A bootstrap over the votes themselves, as Efron has it; the tally's draws are of the same distribution."""
    tally: dict[tuple[str, str, Winner], int] = {("x", "y", "a"): 90, ("x", "y", "b"): 40, ("y", "x", "tie"): 30}
    rng, votes = np.random.default_rng(1), np.repeat([1.0, 0.0, 0.5], list(tally.values()))
    drawn = [rng.choice(votes, size=len(votes)).sum() for _ in range(2000)]
    differences = [float(np.subtract(*fit(np.array([[0.0, won], [len(votes) - won, 0.0]])))) for won in drawn]
    better, worse = ratings(tally)
    assert better.low == pytest.approx(1000 + np.quantile(differences, 0.025) / 2, abs=8)
    assert worse.high == pytest.approx(1000 - np.quantile(differences, 0.025) / 2, abs=8)


def test_the_plot_is_whole_and_escaped() -> None:
    svg = plot(ratings({("<b>x</b>", "y", "a"): 1}))
    texts = [one.text for one in ElementTree.fromstring(svg).iter("text")]  # noqa: S314 our own
    assert "<b>x</b>" in texts
