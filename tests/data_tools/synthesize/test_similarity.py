import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from data_tools.synthesize.similarity import SimilarityIndex, rouge_l, tokenize

SCORER = RougeScorer(["rougeL"])
WORDS = ["write", "a", "story", "about", "the", "dog", "cat", "list", "three", "of", "in", "2"]
texts = st.lists(st.sampled_from(WORDS), min_size=0, max_size=20).map(" ".join)


@settings(max_examples=300)
@given(pool=st.lists(texts, max_size=12), text=texts, above=st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9]))
def test_the_decision_and_the_score_are_rouge_scores(pool: list[str], text: str, above: float) -> None:
    scores = [SCORER.score(text, other)["rougeL"].fmeasure for other in pool]
    found = SimilarityIndex(pool).most_similar(text, above=above)
    best = max(scores, default=0.0)
    assert (found is not None) == (best > above)
    if found is not None:
        assert (found.place, found.score) == (scores.index(best), best)


@pytest.mark.parametrize("total", range(2, 40))
def test_a_score_at_the_threshold_is_rounded_as_rouge_score_rounds_it(total: int) -> None:
    shared = [f"s{n}" for n in range(round(0.7 * total))]
    one = " ".join([*shared, *(f"a{n}" for n in range(total - len(shared)))])
    other = " ".join([*shared, *(f"b{n}" for n in range(total - len(shared)))])
    score = SCORER.score(one, other)["rougeL"].fmeasure
    assert (SimilarityIndex([other]).most_similar(one) is not None) == (score > 0.7)


def test_real_instructions_are_judged_as_by_rouge_score() -> None:
    rng = random.Random(0)
    pool = [" ".join(rng.choices(WORDS, k=rng.randint(3, 12))) for _ in range(150)]
    index = SimilarityIndex(pool[:50])
    for text in pool[50:]:
        best = max(SCORER.score(text, other)["rougeL"].fmeasure for other in pool[: len(index)])
        found = index.most_similar(text)
        assert (found.score if found else None) == (best if best > 0.7 else None)
        index.add(text)


def test_chinese_is_compared_by_characters() -> None:
    assert tokenize("用Python写3首诗。") == ["用", "python", "写", "3", "首", "诗"]
    index = SimilarityIndex(["请写一首关于春天的诗歌"])
    near = index.most_similar("请写一首关于秋天的诗歌")
    assert near is not None
    assert near.score == pytest.approx(10 / 11)
    assert index.most_similar("把这句话翻译成英文") is None


def test_texts_without_tokens_are_like_nothing() -> None:
    index = SimilarityIndex(["", "!!!"])
    assert index.most_similar("!!!", above=0) is None
    assert index.most_similar("", above=0) is None
    assert rouge_l([], ["a"]) == 0
