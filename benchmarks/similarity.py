"""How much faster the exact ROUGE-L index is than rouge_score over everything, on one core, with the same decisions.

    python benchmarks/similarity.py alpaca_en_999.json evol_teacher_alpaca_2k.json --size 50000

Real instructions are repeated with words drawn from all of them, so that candidates are more and less like the pool.
rouge_score is timed on a sample of the candidates against the whole pool, and its time for all is extrapolated.
"""

import argparse
import json
import random
import time
from pathlib import Path

from rouge_score.rouge_scorer import _score_lcs
from rouge_score.tokenize import tokenize

from data_tools.synthesize.similarity import THRESHOLD, SimilarityIndex


def main() -> None:
    """Measure, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="JSON arrays of records with `instruction`")
    parser.add_argument("--size", type=int, default=50_000, help="candidates, and texts of the pool")
    parser.add_argument("--sample", type=int, default=20, help="candidates that rouge_score judges")
    arguments = parser.parse_args()
    rng = random.Random(0)  # noqa: S311 no secret
    real = [record["instruction"] for path in arguments.files for record in json.loads(path.read_text("utf-8"))]
    pool = varied(real, arguments.size, rng, shares=(0.5,))
    candidates = varied(real, arguments.size, rng, shares=(0.1, 0.2, 0.4, 0.6, 0.8))

    begun = time.process_time()
    index = SimilarityIndex(pool)
    built = time.process_time()
    found = [index.most_similar(candidate) for candidate in candidates]
    ours = time.process_time() - begun
    print(f"index: {ours:.1f} s ({built - begun:.1f} s to build), {sum(map(bool, found)):,} of {len(found):,} rejected")

    sample = rng.sample(range(arguments.size), arguments.sample)
    begun = time.process_time()
    tokens = [tokenize(text, None) for text in pool]
    tokenized = time.process_time() - begun
    begun = time.process_time()
    best = [judged(candidates[at], tokens) for at in sample]
    theirs = tokenized + (time.process_time() - begun) * arguments.size / arguments.sample
    print(f"rouge_score: {theirs:,.0f} s, extrapolated from {arguments.sample} candidates against the whole pool")
    print(f"ratio: {theirs / ours:,.0f}")

    for at, score in zip(sample, best, strict=True):
        neighbour = found[at]
        assert (neighbour.score if neighbour else None) == (score if score > THRESHOLD else None), candidates[at]  # noqa: S101
    print(f"the {arguments.sample} decisions and scores are the same ({sum(s > THRESHOLD for s in best)} rejected)")


def varied(real: list[str], size: int, rng: random.Random, *, shares: tuple[float, ...]) -> list[str]:
    """Real instructions of which a share of the words is replaced by words of others."""
    words = [word for text in real for word in text.split()]
    made = []
    for _ in range(size):
        share = rng.choice(shares)
        kept = (rng.choice(words) if rng.random() < share else word for word in rng.choice(real).split())
        made.append(" ".join(kept))
    return made


def judged(candidate: str, pool: list[list[str]]) -> float:
    """The highest ROUGE-L, as Alpaca's filter computes it, without its pool of processes."""
    tokens = tokenize(candidate, None)
    return max(_score_lcs(tokens, other).fmeasure for other in pool)


if __name__ == "__main__":
    main()
