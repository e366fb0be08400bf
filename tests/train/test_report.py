import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.plots import in_short, line_plot, nice_ticks
from train.report import flat, read_series, write_report

EVIL = "</style></title><script>document.title='x'</script><img src=x onerror=alert(1)>"
SUMMARY: dict[str, float] = {
    "steps": 2, "tokens": 4096, "supervised_tokens": 3000, "seconds": 12.0, "tokens_per_second": 341.3,
    "before_held_out_loss": 2.4, "held_out_loss": 2.2, "held_out_accuracy": 0.51,
}  # fmt: skip


def report(directory: Path, **changes: Any) -> str:
    steps = [
        {"step": 0, "held_out_loss": 2.4},
        {"step": 1, "loss": 2.3},
        {"step": 2, "loss": 2.1, "held_out_loss": 2.2},
    ]
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in steps), encoding="utf-8")
    given = {
        "title": "base on data", "state": "finished", "summary": SUMMARY, "recipe": {"optimizer": {"lr": 2e-5}},
        "manifest": {"template": "vicuna_v1.1", "counts": {"windows": 26}, "rejected": {"empty": {"turns": 3}}},
        "setting": {"device": "cpu"},
    }  # fmt: skip
    return write_report(directory, **{**given, **changes}).read_text(encoding="utf-8")


def test_the_page_has_the_plots_the_recipe_the_data_and_the_figures(tmp_path: Path) -> None:
    page = report(tmp_path)
    assert "2.4000 \u2192 2.2000" in page
    assert "optimizer.<wbr>lr</th><td>2e-05</td>" in page
    assert "<tr><th scope=row>windows</th><td>26</td></tr>" in page
    assert "<tr><th scope=row>empty</th><td>3</td></tr>" in page
    loss = re.search(r"<svg.*?</svg>", page, re.DOTALL)
    assert loss is not None
    assert [len(points.split()) for points in re.findall(r'points="([^"]+)"', loss[0])] == [2, 2]
    assert "<title>held-out, step 2: 2.2</title>" in loss[0]
    assert "nothing was measured" in page  # the other plots have no figures here


def test_no_text_is_markup(tmp_path: Path) -> None:
    manifest = {"template": EVIL, "counts": {EVIL: 1}, "rejected": {EVIL: {"turns": 1}}}
    page = report(tmp_path, title=EVIL, state=EVIL, recipe={EVIL: EVIL}, setting={EVIL: EVIL}, manifest=manifest)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</style>") == page.count("</title>") - page.count("</circle>") == 1
    assert "default-src 'none'" in page


def test_replies_stand_before_and_after_and_are_no_markup(tmp_path: Path) -> None:
    texts = {0: "old", 4: "between", 8: EVIL}
    lines = [
        json.dumps({"step": step, "prompt": EVIL, "text": text, "tokens": 3, "stopped": step > 0}) + "\n"
        for step, text in texts.items()
    ]
    (tmp_path / "generations.jsonl").write_text("".join(lines) + '{"step": 9, "pro', encoding="utf-8")
    page = report(tmp_path)
    assert "before the first step, cut at 3 tokens</small><p>old</p>" in page
    assert "after step 8, ended by the model after 3 tokens" in page
    assert "between" not in page
    assert "<script" not in page and "<img" not in page


def test_a_run_without_a_step_has_a_page_too(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    assert read_series(tmp_path / "metrics.jsonl") == {}
    assert flat({"a": {"b": None}, "c": 1}) == {"a.b": None, "c": 1}


@given(low=st.floats(-1e6, 1e6), width=st.floats(0, 1e6))
def test_ticks_hold_the_values_and_are_few(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)
    assert ticks == sorted(set(ticks))
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low + 1e-6 * max(1, abs(low))
    assert ticks[-1] >= low + width - 1e-6 * max(1, abs(low + width))


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.floats(-1e300, 1e300) | st.just(math.nan) | st.just(math.inf)), max_size=30
    )
)
def test_any_figures_can_be_drawn(points: list[tuple[int, float]]) -> None:
    drawn = line_plot({"a": sorted(points)}, label="a")
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert drawn.count("<circle") == (sum(math.isfinite(y) for _, y in points))


def test_a_long_run_is_thinned_and_ends_where_it_ended() -> None:
    drawn = line_plot({"loss": [(step, 1 / (1 + step)) for step in range(50_001)]}, label="loss")
    points = re.findall(r'points="([^"]+)"', drawn)[0].split()
    assert len(points) <= 1002
    assert points[-1].startswith("548.0,")
    assert drawn.count("<circle") == 1


@pytest.mark.parametrize(
    ("value", "shown"), [(176.31, "176"), (0.00002, "2e-05"), (1.36824, "1.368"), (541490, "541,490"), (0, "0")]
)
def test_figures_are_short(value: float, shown: str) -> None:
    assert in_short(value) == shown
