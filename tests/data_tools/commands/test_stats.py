from pathlib import Path

import pytest

from data_tools.cli import main


def test_stats_prints_totals_plots_and_rules(
    sample_prepared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["stats", str(sample_prepared)]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "vicuna_v1.1, windows of 1024 tokens", "conversations kept", "of the supervised tokens that came in are kept",
        "turns a conversation", "window fill", "99-100%", "█", "leading_reply", "html_reply", "median",
    ):  # fmt: skip
        assert expected in printed
