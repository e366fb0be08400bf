"""What can be said of answers without a judge: whether they end, repeat themselves, keep to the language; lengths."""

import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from data_tools.filters.language import UNKNOWN, language_of
from evaluate.answers import Answer
from evaluate.questions import Question
from evaluate.statistics import bootstrap_mean, share
from templates import Message

# Words of European languages, single characters of Chinese, Japanese and Korean.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_GRAM = 4
# A reply loops where its last piece, of up to 60 words, stands there three times in a row.
_LONGEST_LOOP, _TIMES = 60, 3


def repeated_share(text: str) -> float:
    """The share of a text's 4-grams of words that stood in it before: near 0 in prose, near 1 in a loop.

    >>> repeated_share("a b c d e f g"), round(repeated_share("a b c d " * 10), 2)
    (0.0, 0.89)
    """
    words = _WORD.findall(text.lower())
    grams = Counter(tuple(words[at : at + _GRAM]) for at in range(len(words) - _GRAM + 1))
    return 1 - len(grams) / grams.total() if grams else 0.0


def is_looping(text: str) -> bool:
    """Whether a text ends in a piece that stands there three times in a row.

    >>> is_looping("I see. I see. I see. I s"), is_looping("Row, row, row your boat")
    (True, False)
    """
    words = _WORD.findall(text.lower())
    for length in range(1, min(_LONGEST_LOOP, len(words) // _TIMES) + 1):
        for cut in range(min(length, len(words) - _TIMES * length + 1)):
            end = len(words) - cut
            pieces = [words[end - (k + 1) * length : end - k * length] for k in range(_TIMES)]
            if pieces[0] == pieces[1] == pieces[2] and (length > 1 or words[end - 4 : end] == pieces[0] * 4):
                return True
    return False


def keeps_language(question: str, answer: str) -> bool | None:
    """Whether an answer is in its question's language; None where either is too short or unclear."""
    asked, answered = (language_of([Message(role="user", content=text)]) for text in (question, answer))
    return None if UNKNOWN in (asked, answered) else asked == answered


def measure(questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]]) -> dict[str, Any]:
    """All of it for one model; shares with Wilson's intervals, means with those of the bootstrap over questions."""
    rows = [
        (question, turn, answer)
        for question in questions
        for turn, answer in enumerate(answers[question.id])
        if answer.is_there
    ]
    texts = [answer.text for _, _, answer in rows]
    asked = [answer for _, _, answer in rows if answer.finish_reason != "saved"]
    kept = [keeps_language(question.turns[turn], answer.text) for question, turn, answer in rows]
    known = [one for one in kept if one is not None]
    grouped = [[repeated_share(one.text) for one in answers[question.id] if one.is_there] for question in questions]
    figures = {
        "stopped": share(sum(one.finish_reason == "stop" for one in asked), len(asked)),
        "empty": share(sum(not text.strip() for text in texts), len(texts)),
        "repeated": bootstrap_mean(grouped),
        "looping": share(sum(map(is_looping, texts)), len(texts)),
        "same_language": share(sum(known), len(known)),
    }
    return {
        **{name: estimate.to_json() if estimate else None for name, estimate in figures.items()},
        "language_unclear": kept.count(None),
        "answers": len(rows),
        "characters": lengths([len(text) for text in texts]),
        "tokens": lengths([one.tokens for one in asked if one.tokens]),
    }


def lengths(values: Sequence[int]) -> dict[str, float] | None:
    """The mean and quartiles of lengths; None of nothing."""
    if len(values) < 2:
        return None
    quarter, median, three_quarters = statistics.quantiles(values, n=4, method="inclusive")
    return {"mean": statistics.fmean(values), "quarter": quarter, "median": median, "three_quarters": three_quarters}
