from typing import Any

import pytest

from evaluate.summary import sentence


def results(consistent: float) -> dict[str, Any]:
    """Two models of which the second scores higher, by a judge that is so consistent when orders are swapped."""
    score = {"mean": 7.0, "low": 6.5, "high": 7.5, "n": 80}
    judged = {
        "judge": "j",
        "scores": [[score], [score | {"mean": 9.0}]],
        "difference": {"mean": -2.0, "low": -2.5, "high": -1.5, "n": 80},
        "win_rates": [],
        "trust": {"position": {"consistent": {"mean": consistent}}},
    }
    return {"models": [{"name": "after"}, {"name": "before"}], "judged": [judged], "questions": 80}


@pytest.mark.parametrize(("consistent", "hedged"), [(0.01, True), (0.59, True), (0.6, False), (1.0, False)])
def test_a_judge_that_follows_the_order_is_no_evidence(consistent: float, hedged: bool) -> None:
    said = sentence(results(consistent))
    assert said.startswith("This judge is no evidence") == hedged
    assert "after is worse than before: scores 7.00 and 9.00 of 10" in said
