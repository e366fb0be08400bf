import doctest
import random

from evaluate import aggregate, fence, instructions, perplexity, plain_checks, prompts, statistics, summary
from evaluate import run as run_module
from evaluate.statistics import bootstrap_mean, rank_correlation, share, sign_flip_p, sign_test_p


def test_worked_examples() -> None:
    for module in (aggregate, fence, instructions, perplexity, plain_checks, prompts, statistics, summary, run_module):
        assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0, module.__name__


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    draw = random.Random(3)
    hits = 0
    for seed in range(200):
        groups = []
        for _ in range(40):
            base = draw.gauss(5, 1)
            groups.append([base + draw.gauss(0, 0.5), base + draw.gauss(0, 0.5)])
        found = bootstrap_mean(groups, seed=seed)
        assert found
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 5 <= found.high
    assert 180 <= hits <= 199  # 95% of 200, where turns of a question depend on one another


def test_turns_of_a_question_are_no_independent_observations() -> None:
    values = [1.0, 9.0] * 20
    together, apart = (
        bootstrap_mean([[value] * 2 for value in values]),
        bootstrap_mean([[value] for value in values * 2]),
    )
    assert together and together.low and apart and apart.low
    assert together.low < apart.low


def test_shares_have_an_interval_at_their_ends() -> None:
    none, all_ = share(0, 20), share(20, 20)
    assert none and all_
    assert none.low == 0
    assert none.high is not None
    assert 0.1 < none.high < 0.2
    assert all_.high == 1.0
    assert share(0, 0) is None
    assert bootstrap_mean([]) is None
    assert bootstrap_mean([[3.0]]) == statistics.Estimate(3.0, None, None, 1)


def test_paired_tests() -> None:
    assert sign_flip_p([1.0] * 12) == 2 / 2**12
    assert (sign_flip_p([1.0] * 40) or 1) < 0.001
    assert (sign_flip_p([1.0, -1.0] * 20) or 0) > 0.9
    assert sign_test_p(0, 0) is None
    assert sign_test_p(5, 5) == 1.0
    assert (sign_test_p(600, 400) or 1) < 1e-9
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == -1.0
