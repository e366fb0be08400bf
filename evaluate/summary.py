"""The result in one sentence: which model is better, by how much, and how sure that is."""

from collections.abc import Mapping
from typing import Any

from evaluate.trust import LEAST_CONSISTENT


def in_percent(value: float) -> str:
    """A share in words.

    >>> in_percent(0.125)
    '13%'
    """
    return f"{value + 1e-9:.0%}"


def sentence(results: Mapping[str, Any]) -> str:
    """The summary of `results.build`'s values.

    A difference counts as shown where its 95% interval leaves out zero.
    """
    names = [model["name"] for model in results["models"]]
    judged = results["judged"][0] if results["judged"] else None
    if judged is None:
        return _without_judge(results, names)
    if len(names) == 2:
        return _two_models(results, judged, names)
    rows = judged["scores"][0] if judged["scores"] else []
    if not rows:
        return f"No verdict of {judged['judge']} on {names[0]} could be read."
    return (
        f"{names[0]} scores {_with_interval(rows[0])} of 10 on {_count(rows[0]['n'], 'question')}, "
        f"as graded by {judged['judge']}."
    )


def _two_models(results: Mapping[str, Any], judged: Mapping[str, Any], names: list[str]) -> str:
    gap, rows = judged["difference"], judged["win_rates"]
    parts = []
    if gap:
        scores = " and ".join(f"{one[0]['mean']:.2f}" for one in judged["scores"])
        parts.append(f"scores {scores} of 10 (difference {_with_interval(gap, sign=True)})")
    if rows and "win_rate" in rows[0]:
        shares = [in_percent(rows[0][f"{name}_rate"]["mean"]) for name in ("win", "tie", "loss")]
        parts.append("wins {}, ties {}, losses {}".format(*shares))
    if not parts:
        return f"No verdict of {judged['judge']} on {names[0]} and {names[1]} could be read."
    said = (
        f"{names[0]} {_standing(gap, rows)} {names[1]}: {'; '.join(parts)}, on "
        f"{_count(results['questions'], 'question')}, as judged by {judged['judge']}."
    )
    # Pairs show whether a judge can tell answers apart at all; where it cannot, its scores are worth no more.
    position = judged["trust"]["position"]
    if position and position["consistent"]["mean"] < LEAST_CONSISTENT:
        return f"This judge is no evidence, since its verdicts change with the order of the answers. By them, {said}"
    return said


def _standing(gap: Mapping[str, Any] | None, rows: list[Mapping[str, Any]]) -> str:
    """What both the scores and the pairs allow to say; where they differ, nothing is said."""
    signs = {_sign(gap, 0.0)}
    if rows and rows[0].get("adjusted_win_rate"):
        signs.add(_sign(rows[0]["adjusted_win_rate"], 0.5))
    signs.discard(0)
    if len(signs) != 1:
        return "cannot be told from" if not signs else "is better by one measure and worse by another than"
    return "is better than" if signs == {1} else "is worse than"


def _sign(estimate: Mapping[str, Any] | None, middle: float) -> int:
    if not estimate or estimate["low"] is None:
        return 0
    return int(estimate["low"] > middle) - int(estimate["high"] < middle)


def _without_judge(results: Mapping[str, Any], names: list[str]) -> str:
    checks, parts = results["checks"], []
    held_out = [one for one in checks["held_out"] if one]
    if held_out:
        losses = " against ".join(f"{one['loss']['mean']:.4f}" for one in held_out)
        gap = checks["held_out_difference"]
        tail = f" (difference {_with_interval(gap, sign=True, digits=4)} {gap['unit']})" if gap else ""
        parts.append(f"held-out loss {losses}{tail}")
    for name, words in (("stopped", "of replies end by themselves"), ("looping", "of replies end in a loop")):
        shares = [one[name] for one in checks["answers"] if one[name]]
        if shares:
            parts.append(" against ".join(in_percent(one["mean"]) for one in shares) + f" {words}")
    return f"{' beside '.join(names)}, without a judge: {'; '.join(parts) or 'nothing could be measured'}."


def _with_interval(estimate: Mapping[str, Any], *, sign: bool = False, digits: int = 2) -> str:
    """A mean with its interval.

    >>> _with_interval({"mean": 5.5, "low": 4.0, "high": 6.25})
    '5.50 (95% interval 4.00 to 6.25)'
    """
    form = f"{'+' if sign else ''}.{digits}f"
    if estimate["low"] is None:
        return f"{estimate['mean']:{form}}"
    if sign:
        return f"{estimate['mean']:{form}}, 95% interval {estimate['low']:{form}} to {estimate['high']:{form}}"
    return f"{estimate['mean']:{form}} (95% interval {estimate['low']:{form}} to {estimate['high']:{form}})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
