from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools import stats
from data_tools.prepared import open_prepared
from data_tools.stats import histograms, measure_windows, of_languages, of_shares, of_sizes


@given(st.lists(st.integers(0, 5000)))
def test_each_size_is_in_the_bar_that_names_it(sizes: list[int]) -> None:
    bars = of_sizes("turns", "conversations", sizes).bars
    assert sum(count for _, count in bars) == len(sizes)
    for label, count in bars:
        low, *high = [int(edge.replace(",", "")) for edge in label.split("-")]
        assert count == sum(low <= size <= (high or [low])[0] for size in sizes)


def test_shares_fall_between_their_edges_and_a_full_window_counts() -> None:
    assert of_shares("fill", "windows", [0.2, 0.5, 1.0], (0.0, 0.5, 1.0)).bars == [("0-50%", 1), ("50-100%", 2)]
    assert of_shares("fill", "windows", [], (0.0, 1.0)).bars == of_sizes("turns", "conversations", []).bars == []


def test_the_plots_agree_with_the_manifest(sample_prepared: Path) -> None:
    prepared = open_prepared(sample_prepared)
    counts = prepared.manifest["counts"]
    merged = [row for row in prepared.ledger().to_pylist() if (row["fate"], row["rule"]) == ("trained", "merged")]
    sums = {plot.title: sum(count for _, count in plot.bars) for plot in histograms(prepared)}
    assert sums == {
        "turns a conversation": counts["conversations_kept"],
        "supervised tokens a conversation": counts["conversations_kept"],
        "tokens a reply": counts["turns_trained"] - len(merged),
        "tokens a document": counts["documents"],
        "window fill": counts["windows"],
        "share supervised of a window": counts["windows"],
        "languages": counts["conversations_kept"],
    }


def test_windows_are_measured_by_their_labels(sample_prepared: Path) -> None:
    prepared = open_prepared(sample_prepared)
    sizes = measure_windows(prepared.windows("train"))
    rows = [row for batch in prepared.windows("train") for row in batch.to_pylist()]
    assert sizes.tokens.tolist() == [len(row["input_ids"]) for row in rows]
    assert sizes.supervised.tolist() == [sum(label != -100 for label in row["labels"]) for row in rows]
    assert sizes.documents.tolist() == np.concatenate([row["document_lengths"] for row in rows]).tolist()


def test_the_median_and_the_longest_are_said() -> None:
    assert of_sizes("turns", "conversations", [1, 2]).note == "median 1.5, longest 2"
    assert of_shares("fill", "windows", [0.25], (0.0, 1.0)).note == "median 25.0%"


def test_languages_are_counted_and_the_rarest_summed(sample_prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    languages = of_languages(open_prepared(sample_prepared))
    [(first, most), *_] = languages.bars
    assert (first, languages.note) == ("en", f"{len(languages.bars)} of them")
    monkeypatch.setattr(stats, "_MOST_LANGUAGES", 1)
    monkeypatch.setattr(stats, "_MOST_READ", 20)
    sampled = of_languages(open_prepared(sample_prepared))
    assert [label for label, _ in sampled.bars] == ["en", "others"]
    assert sum(count for _, count in sampled.bars) == 20 < most
    assert sampled.note == "20 of 103, chosen by chance"
