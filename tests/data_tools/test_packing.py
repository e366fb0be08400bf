import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.packing import cuts_to_fit, pack


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(0, 3))
def test_each_document_stands_in_one_window_that_holds_it(lengths: list[int], seed: int) -> None:
    windows = pack(lengths, window=100, seed=seed)
    assert sorted(document for window in windows for document in window) == list(range(len(lengths)))
    assert all(sum(lengths[document] for document in window) <= 100 for window in windows)
    assert windows == pack(lengths, window=100, seed=seed)


def test_best_fit_takes_the_tightest_place() -> None:
    windows = pack([60, 50, 40, 50], window=100, seed=0)
    assert sorted(map(sorted, windows)) == [[0, 2], [1, 3]]


def test_a_seed_fixes_the_order() -> None:
    lengths = [90] * 20
    assert pack(lengths, window=100, seed=1) != pack(lengths, window=100, seed=2)


def test_a_document_longer_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="101 tokens"):
        pack([101], window=100, seed=0)


def test_twenty_thousand_documents_fill_their_windows() -> None:
    draw = random.Random(0)
    lengths = [min(2048, int(draw.lognormvariate(6, 1)) + 1) for _ in range(20_000)]
    windows = pack(lengths, window=2048, seed=0)
    assert sum(lengths) / (len(windows) * 2048) > 0.999


def test_cuts_fill_windows_that_nothing_short_would_fill() -> None:
    draw = random.Random(0)
    pairs = [[draw.randint(100, 500) for _ in range(4)] for _ in range(200)]
    lengths = [30 + sum(of_one) for of_one in pairs]
    before = len(pack(lengths, window=2048, seed=0))
    cuts = cuts_to_fit(lengths, pairs, window=2048)
    pieces = []
    for document, of_one in enumerate(pairs):
        bounds = [0, *cuts.get(document, []), len(of_one)]
        pieces += [30 + sum(of_one[start:end]) for start, end in pairwise(bounds)]
    assert min(pieces) > 30
    assert len(pack(pieces, window=2048, seed=0)) < before
    assert sum(pieces) / (len(pack(pieces, window=2048, seed=0)) * 2048) > 0.985


def test_documents_without_pairs_are_never_cut() -> None:
    assert cuts_to_fit([90, 90, 90], [[], [], []], window=100) == {}
