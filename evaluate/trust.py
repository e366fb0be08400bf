"""Can the judge be trusted: unreadable verdicts, position bias, verbosity bias, and agreement with others."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evaluate.aggregate import by_question
from evaluate.judge import TRIES, Judgement
from evaluate.judging import Answers, Judged, Pair
from evaluate.statistics import Estimate, bootstrap_mean, rank_correlation, share

# Of those whose order was swapped. GPT-4 is at 65% on MT-bench's answers (arXiv 2306.05685, table 2).
LEAST_CONSISTENT = 0.6


def readability(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """How many verdicts could be read, at which try, and what was the matter with the others."""
    unread = [one for one in judgements if one.value is None]
    return {
        "verdicts": len(judgements),
        "unreadable": len(unread),
        "unreadable_share": _json(share(len(unread), len(judgements))),
        "retried": sum(len(one.texts) > 1 for one in judgements),
        "most_tries": TRIES,
        "problems": dict(Counter(one.problem.split(":")[0] for one in unread)),
    }


def position_bias(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """Whether the verdict follows the answer or its place: the shares of MT-bench's table 2.

    `consistent`: both orders give the same verdict; `first` and `second`: the answer in that place won in both orders;
    `mixed`: a tie in one order only.
    """
    kinds = Counter(_consistency(pair) for pair in pairs if None not in pair.verdicts)
    total = kinds.total()
    if not total:
        return None
    shares = {name: _json(share(kinds[name], total)) for name in ("consistent", "first", "second", "mixed")}
    return {"pairs": total, **shares}


def _consistency(pair: Pair) -> str:
    one, other = pair.verdicts
    if one == other:
        return "consistent"
    if "tie" in (one, other):
        return "mixed"
    return "first" if one == "win" else "second"


def verbosity_bias(judged: Judged, answers: Sequence[Answers]) -> dict[str, Any]:
    """How often the longer answer wins, and how scores go with length (Spearman). Longer can also be better.

    Lengths are in characters. A judge that sees none of it but length has a share of 1.
    """
    longer_won = []
    for pair in judged.pairs:
        first, second = (len(one[pair.question][pair.turn - 1].text) for one in answers)
        if pair.outcome in ("win", "loss") and first != second:
            longer_won.append((pair.question, float((pair.outcome == "win") == (first > second))))
    lengths, values = [], []
    for place, grades in enumerate(judged.grades):
        for one in grades:
            if isinstance(one.value, float):
                lengths.append(float(len(answers[place][one.question][one.turn - 1].text)))
                values.append(one.value)
    return {
        "longer_won": _json(share(sum(value for _, value in longer_won), len(longer_won))),
        "score_length_correlation": rank_correlation(lengths, values),
    }


def judges_agree(one: Judged, other: Judged) -> dict[str, Any]:
    """Two judges on the same answers: the same outcome of pairs, and the correlation and difference of their grades."""
    mine, theirs = ({(pair.question, pair.turn): pair.outcome for pair in judged.pairs} for judged in (one, other))
    both = [(key, mine[key], theirs[key]) for key in mine if mine[key] and theirs.get(key)]
    found: dict[str, Any] = {"judges": [one.judge, other.judge], "pairs": _agreement(both)}
    graded = [_both_grades(*grades) for grades in zip(one.grades, other.grades, strict=True)]
    xs, ys = zip(*(values for rows in graded for _, *values in rows), strict=True) if any(graded) else ((), ())
    gaps = by_question((question, x - y) for rows in graded for question, x, y in rows)
    found["grades"] = {"n": len(xs), "correlation": rank_correlation(xs, ys), "difference": _json(bootstrap_mean(gaps))}
    return found


def _both_grades(mine: Sequence[Judgement], theirs: Sequence[Judgement]) -> list[tuple[str, float, float]]:
    other = {(grade.question, grade.turn): grade.value for grade in theirs}
    found = []
    for grade in mine:
        value = other.get((grade.question, grade.turn))
        if isinstance(grade.value, float) and isinstance(value, float):
            found.append((grade.question, grade.value, value))
    return found


def _agreement(both: Sequence[tuple[Any, Any, Any]]) -> dict[str, Any]:
    """MT-bench's two settings: of all, where a tie is a verdict as any other, and of those that neither calls a tie."""
    decided = [one for one in both if "tie" not in one[1:]]
    return {
        "with_ties": _json(share(sum(x == y for _, x, y in both), len(both))),
        "without_ties": _json(share(sum(x == y for _, x, y in decided), len(decided))),
        "chance": _chance([x for _, x, _ in both], [y for _, _, y in both]),
    }


def people_agree(outcomes: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A judge's outcomes beside people's, each `win`, `tie` or `loss` of the answer shown first."""
    return _agreement([(None, judge, people) for judge, people in outcomes])


def _chance(xs: Sequence[str], ys: Sequence[str]) -> float | None:
    """How often two would agree who give as many of each verdict, drawn by lot."""
    if not xs:
        return None
    ours, theirs = Counter(xs), Counter(ys)
    return sum(ours[name] * theirs[name] for name in ours) / len(xs) ** 2


def warnings(trust: Mapping[str, Any], *, judge: str, models: Sequence[str], name: Callable[[float], str]) -> list[str]:
    """What a reader has to know before the number: one sentence each."""
    found = []
    if judge in models:
        found.append(f"The judge {judge} is one of the models that it judges; a model tends to prefer its own answers.")
    position = trust["position"]
    if position and position["consistent"]["mean"] < LEAST_CONSISTENT:
        found.append(
            f"The judge contradicts itself: only {name(position['consistent']['mean'])} of the pairs got the same "
            "verdict when the order was swapped."
        )
    unread = trust["readability"]["unreadable_share"]
    if unread and unread["mean"] > 0.02:
        found.append(f"{name(unread['mean'])} of the verdicts could not be read; they are counted, not guessed.")
    longer = trust["verbosity"]["longer_won"]
    if longer and longer["low"] is not None and longer["low"] > 0.5:
        found.append(f"The longer answer won {name(longer['mean'])} of the decided pairs.")
    return found


def _json(estimate: Estimate | None) -> dict[str, float | int | None] | None:
    return estimate.to_json() if estimate else None
