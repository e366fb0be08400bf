"""Verdicts -> figures: scores by category and turn, wins, ties and losses, and the paired difference of two models."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from evaluate.judge import Judgement
from evaluate.judging import Judged, Pair
from evaluate.questions import Question
from evaluate.statistics import Estimate, bootstrap_mean, share, sign_flip_p, sign_test_p

ALL = "all"


def scores(grades: Sequence[Judgement], questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Mean scores: a row for all questions, each turn and each category, and each category's turns.

    >>> scores([Judgement("1", 1, 7.0), Judgement("1", 2, 4.0)], [Question("1", "math", ("a", "b"))])[0]
    {'category': 'all', 'turn': None, 'mean': 5.5, 'low': None, 'high': None, 'n': 1, 'verdicts': 2}
    """
    category = {question.id: question.category for question in questions}
    rated = [(one.question, one.turn, one.value) for one in grades if isinstance(one.value, float)]
    rows = []
    for name in (ALL, *dict.fromkeys(category.values())):
        for turn in (None, *range(1, max((len(question.turns) for question in questions), default=1) + 1)):
            groups: dict[str, list[float]] = defaultdict(list)
            for question, its_turn, value in rated:
                if name in (ALL, category[question]) and turn in (None, its_turn):
                    groups[question].append(value)
            if estimate := bootstrap_mean(list(groups.values())):
                verdicts = sum(map(len, groups.values()))
                rows.append({"category": name, "turn": turn, **estimate.to_json(), "verdicts": verdicts})
    return rows


def difference(judged: Judged) -> dict[str, Any] | None:
    """The first model's score less the second's, question by question, with its interval and a paired test."""
    if len(judged.grades) < 2:
        return None
    first, second = ({(one.question, one.turn): one.value for one in grades} for grades in judged.grades)
    groups: dict[str, list[float]] = defaultdict(list)
    for (question, turn), value in first.items():
        other = second.get((question, turn))
        if isinstance(value, float) and isinstance(other, float):
            groups[question].append(value - other)
    estimate = bootstrap_mean(list(groups.values()))
    if estimate is None:
        return None
    return {**estimate.to_json(), "p": sign_flip_p([sum(group) / len(group) for group in groups.values()])}


def win_rates(pairs: Sequence[Pair], questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Wins, ties and losses of the first model: a row for all questions, and each category and turn.

    Rates are FastChat's: of the pairs whose verdicts can be read; the adjusted rate counts a tie as half a win. The
    intervals of wins, ties and losses take a question for one observation, which is cautious.
    """
    category = {question.id: question.category for question in questions}
    selections: list[tuple[str, int | None, Callable[[Pair], bool]]] = [(ALL, None, lambda _: True)]
    selections += [(ALL, turn, _of_turn(turn)) for turn in sorted({pair.turn for pair in pairs})]
    for name in dict.fromkeys(category.values()):
        selections.append((name, None, lambda pair, name=name: category[pair.question] == name))  # type: ignore[misc]
    rows = []
    for name, turn, is_in in selections:
        if chosen := [pair for pair in pairs if is_in(pair)]:
            rows.append({"category": name, "turn": turn, **rates(chosen)})
    return rows


def _of_turn(turn: int) -> Callable[[Pair], bool]:
    return lambda pair: pair.turn == turn


def rates(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Counts, rates and the sign test over some pairs."""
    counts = Counter(pair.outcome for pair in pairs)
    decided = [pair for pair in pairs if pair.outcome is not None]
    found: dict[str, Any] = {
        "wins": counts["win"],
        "ties": counts["tie"],
        "losses": counts["loss"],
        "unreadable": counts[None],
    }
    if not decided:
        return found
    questions = len({pair.question for pair in decided})
    for name in ("win", "tie", "loss"):
        part = counts[name] / len(decided)
        found[f"{name}_rate"] = _json(share(part * questions, questions))
    points = {"win": 1.0, "tie": 0.5, "loss": 0.0}
    groups = by_question((pair.question, points[pair.outcome]) for pair in decided if pair.outcome)
    found["adjusted_win_rate"] = _json(bootstrap_mean(groups))
    totals = [sum(2 * value - 1 for value in group) for group in groups]
    found["p"] = sign_test_p(sum(total > 0 for total in totals), sum(total < 0 for total in totals))
    return found


def by_question(values: Iterable[tuple[str, float]]) -> list[list[float]]:
    """Values in groups, one a question."""
    groups: dict[str, list[float]] = defaultdict(list)
    for question, value in values:
        groups[question].append(value)
    return list(groups.values())


def _json(estimate: Estimate | None) -> dict[str, float | int | None] | None:
    return estimate.to_json() if estimate else None
