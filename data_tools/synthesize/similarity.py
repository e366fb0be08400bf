"""The exact ROUGE-L filter of Self-Instruct, without comparing everything with everything.

ROUGE-L (Lin, 2004) is the F-measure of the longest common subsequence (LCS) of two token sequences of n and m tokens:
2 LCS / (n + m). Being above t needs LCS > t (n + m) / 2, and the LCS is at most the number of tokens that both share,
counted as often as they repeat. So an inverted index finds the few texts that share enough, and only for these
rapidfuzz computes the LCS. The decisions are those of the package rouge_score, which compares every pair in Python.
"""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import LCSseq

# Self-Instruct (arXiv 2212.10560, section 2.2) and Alpaca's generate_instruction.py keep what is at most so similar.
THRESHOLD = 0.7
# rouge_score's words (runs of a-z and 0-9), characters of Chinese, Japanese and Korean, words of other scripts.
_TOKEN = re.compile(r"[a-z0-9]+|[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯]|[\u0370-\u1fff]+")
_SLACK = 1e-9


class Neighbour(NamedTuple):
    """A text of the index, by its place in the order of adding, and its ROUGE-L with the text asked about."""

    place: int
    score: float


def tokenize(text: str) -> list[str]:
    """The tokens that ROUGE-L compares.

    >>> tokenize("Don't translate: 你好!")
    ['don', 't', 'translate', '你', '好']
    """
    return _TOKEN.findall(text.lower())


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """ROUGE-L's F-measure of two token sequences, by the same arithmetic as rouge_score, to the last bit."""
    return _f_measure(LCSseq.similarity(one, other), len(one), len(other))


class SimilarityIndex:
    """Texts, and the most similar of them to another text.

    >>> index = SimilarityIndex()
    >>> index.add("Write a story about a dog.")
    >>> index.most_similar("Write a story about a cat.").place, index.most_similar("Add 2 and 2.")
    (0, None)

    Holds up to 1,114,112 different tokens (each becomes a character, which rapidfuzz compares fastest).
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._ids: dict[str, int] = {}
        self._texts: list[str] = []
        self._lengths = array("i")
        # (token, its how-manieth occurrence in the text) -> the texts that have it, in order
        self._postings: dict[tuple[str, int], array[int]] = defaultdict(lambda: array("i"))
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Add a text."""
        tokens = tokenize(text)
        for term in _terms(tokens):
            self._postings[term].append(len(self._texts))
        self._texts.append(self._coded(tokens))
        self._lengths.append(len(tokens))

    def most_similar(self, text: str, *, above: float = THRESHOLD, other_than: int | None = None) -> Neighbour | None:
        """The text with the highest ROUGE-L, the first of equals, or None where none is above `above`.

        `other_than` is the place of a text that does not count.
        """
        tokens = tokenize(text)
        if not tokens or not self._texts:
            return None
        coded, best = self._coded(tokens), Neighbour(-1, above)
        for index, most in self._worth_comparing(tokens, above):
            if _f_measure(most, len(tokens), self._lengths[index]) + _SLACK < best.score:
                break  # in falling order of their bounds: no later one can be better
            if index == other_than:
                continue
            other = self._texts[index]
            score = _f_measure(LCSseq.similarity(coded, other), len(coded), len(other))
            if score > best.score or (score == best.score and -1 < index < best.place):
                best = Neighbour(index, score)
        return best if best.place >= 0 else None

    def _worth_comparing(self, tokens: Sequence[str], above: float) -> list[tuple[int, int]]:
        """Texts whose shared tokens allow a score above `above`, with a bound on their LCS, by falling bounds.

        A text that shares s of n tokens shares at least one of any n - s + 1 of them, so the commonest s - 1 tokens,
        whose postings are the longest, are not looked up; each of them may be shared.
        """
        n = len(tokens)
        fewest = _fewest_shared(n, above)
        terms = sorted((term for term in _terms(tokens)), key=lambda term: len(self._postings.get(term, ())))
        looked_up = [self._postings[term] for term in terms[: n - fewest + 1] if term in self._postings]
        if not looked_up:
            return []
        hits = np.concatenate([np.frombuffer(posting, dtype=np.int32) for posting in looked_up])
        found, shared = np.unique(hits, return_counts=True)
        lengths = np.frombuffer(self._lengths, dtype=np.int32)[found]
        bound = np.minimum(np.minimum(shared + (fewest - 1), lengths), n)
        possible = 2 * bound / (lengths + n)
        enough = np.flatnonzero(possible > above - _SLACK)
        return _by_bound(found[enough], bound[enough], possible[enough])

    def _coded(self, tokens: Sequence[str]) -> str:
        return "".join(chr(self._ids.setdefault(token, len(self._ids))) for token in tokens)


def _terms(tokens: Sequence[str]) -> list[tuple[str, int]]:
    """Tokens with their how-manieth occurrence, so that shared terms count tokens as often as they repeat.

    >>> _terms(["a", "rose", "a"])
    [('a', 0), ('rose', 0), ('a', 1)]
    """
    seen: Counter[str] = Counter()
    terms = []
    for token in tokens:
        terms.append((token, seen[token]))
        seen[token] += 1
    return terms


def _fewest_shared(n: int, above: float) -> int:
    """How many of its n tokens a text at least shares with any text that is more similar than `above`.

    The shortest such text has m tokens with 2 m / (n + m) > above, all of them shared.
    """
    return max(1, int(np.ceil(n * above / (2 - above) - _SLACK)))


def _by_bound(
    found: npt.NDArray[np.int32], bound: npt.NDArray[np.int64], possible: npt.NDArray[np.float64]
) -> list[tuple[int, int]]:
    order = np.argsort(-possible, kind="stable")
    return list(zip(found[order].tolist(), bound[order].tolist(), strict=True))


def _f_measure(lcs: int, n: int, m: int) -> float:
    """As rouge_score computes it: rounding decides where a score is just at the threshold."""
    if not lcs:
        return 0.0
    precision, recall = lcs / m, lcs / n
    return 2 * precision * recall / (precision + recall)
