"""What a run shows of itself: kept, rejected by reason, rates, cost."""

import re
from collections import Counter
from pathlib import Path

import pytest

from data_tools.cli import main
from data_tools.synthesize import progress
from tests.data_tools.synthesize.scripted import Body, Scripted, good_model, question, scripted


def test_a_line_now_and_then_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.05)

    def model(body: Body, number: int) -> str:
        return "I cannot." if number % 3 == 0 and question(body).startswith("You write") else good_model(body, number)

    server = Scripted(model, most_seconds=0.1)
    with scripted(server):
        argv = ["synthesize", "alpaca", "--base-url", server.base_url, "--target", "30", "--concurrency", "2"]
        assert main([*argv, "--price", "1", "2", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    last = shown.err.strip().splitlines()[-1]
    numbers = r"[\d,.]+"
    assert re.fullmatch(
        rf"kept {numbers}/30, rejected {numbers} \(refusal \d+\), \d+ requests, {numbers}/s, {numbers} tokens/s, "
        rf"{numbers} tokens, \$0\.00",
        last,
    )
    assert "30 of 30" in shown.out
    assert "rejected: refusal" in shown.out
    assert "replies + 0 failures + 0 cut off" in shown.out


def test_the_most_frequent_reasons_are_named() -> None:
    assert progress.top_reasons(Counter(a=5, b=4, c=3, d=2, e=1, f=1)) == "a 5, b 4, c 3, d 2, others 2"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--target", "0"], "--target 0: give 1 or more"),
        (["--target", "1", "--concurrency", "0"], "--concurrency 0: give 1 or more"),
        (["--target", "1", "--top-p", "1.5"], "--top-p 1.5: give a number from 0 to 1"),
        (["--target", "1", "--budget", "$5"], "needs --price PROMPT COMPLETION"),
        (["--target", "1", "--budget", "much"], "--budget 'much': give tokens as 2M"),
        (["--target", "1", "--seeds", "none.json"], "--seeds none.json: cannot be read"),
        (["--target", "1", "--base-url", "nonsense"], "--base-url nonsense: .*; is the server up"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, argv: list[str], message: str) -> None:
    from templates import InputError

    with pytest.raises(InputError, match=message.replace("$", r"\$")):
        main(["synthesize", "alpaca", "--out", str(tmp_path / "out"), *argv])
