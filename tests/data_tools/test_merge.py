import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.cli import main
from data_tools.merge import Source, merge, shares
from templates import InputError
from tests.data_tools.test_sample import write_dump

COUNTED = st.lists(st.tuples(st.integers(1, 500), st.fractions(Fraction(1, 9), 9)), min_size=1, max_size=5)


@given(COUNTED)
def test_shares_are_exact_to_one_conversation_and_as_many_as_there_are(counted: list[tuple[int, Fraction]]) -> None:
    sources = [Source(Path(str(number)), weight) for number, (_, weight) in enumerate(counted)]
    counts = [count for count, _ in counted]
    taken = shares(sources, counts, n=None)
    total, weights = sum(taken), sum(weight for _, weight in counted)
    for count, take, (_, weight) in zip(counts, taken, counted, strict=True):
        assert take <= count
        assert abs(take - total * weight / weights) < 1
    assert any((total + 1) * weight / weights > count for count, weight in counted), "one more would not fit"


def test_a_mix_is_seeded_interleaved_and_word_for_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write_dump(tmp_path / "a.json", 60), write_dump(tmp_path / "b.json", 100)
    command = ["merge", "--source", f"{a}=0.3", "--source", f"{b}=0.1", "--seed", "1", "--out"]
    assert main([*command, str(tmp_path / "1.jsonl")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "75.00% │ 75.00% │ 60 │ 60 │ 0" in printed
    assert "25.00% │ 25.00% │ 100 │ 20 │ 80" in printed
    assert "wrote 80 conversations" in printed
    assert main([*command, str(tmp_path / "2.jsonl")]) == 0
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "1.jsonl").read_text().splitlines()]
    assert Counter(line["id"][0] for line in lines) == {"a": 60, "b": 20}
    assert len({line["id"] for line in lines}) == 80
    assert {line["id"][0] for line in lines[:20]} == {"a", "b"}
    assert all(line["messages"][0]["content"] == f"<b>{line['id'][1:]}</b> " for line in lines)


def test_another_seed_takes_others(tmp_path: Path) -> None:
    sources = [Source(write_dump(tmp_path / "a.json", 60), Fraction(1))]
    assert [one.taken for one in merge(sources, out=tmp_path / "1.jsonl", seed=1, n=10)] == [10]
    merge(sources, out=tmp_path / "2.jsonl", seed=2, n=10)
    assert (tmp_path / "1.jsonl").read_text() != (tmp_path / "2.jsonl").read_text()


@pytest.mark.parametrize("text", ["a.json", "a.json=", "a.json=0", "a.json=-1", "a.json=nan", "a.json=1/0", "=1"])
def test_a_bad_weight_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--source {text}: give a path and a weight above 0"):
        main(["merge", "--source", text, "--out", str(tmp_path / "out.jsonl")])


def test_too_large_a_mix_names_the_scarcest_source(tmp_path: Path) -> None:
    a, b = write_dump(tmp_path / "a.json", 6), write_dump(tmp_path / "b.json", 100)
    command = ["merge", "--source", f"{a}=1", "--source", f"{b}=1", "--n", "13", "--out", str(tmp_path / "out.jsonl")]
    with pytest.raises(InputError, match=r"--n 13: .* 12 conversations can be had, since .*a\.json has 6"):
        main(command)
    assert not (tmp_path / "out.jsonl").exists()
