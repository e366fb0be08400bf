import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.cli import main
from data_tools.sample import choose
from templates import InputError


def write_dump(path: Path, count: int) -> Path:
    records: list[object] = [
        {"id": f"{path.stem}{n}", "conversations": [{"from": "human", "value": f"<b>{n}</b> "}]} for n in range(count)
    ]
    path.write_text(json.dumps([*records, {"id": "bad", "conversations": []}]))
    return path


@given(st.lists(st.integers(), max_size=30), st.integers(1, 10), st.integers(0, 3))
def test_a_choice_keeps_the_order_and_no_item_twice(items: list[int], n: int, seed: int) -> None:
    chosen, seen = choose(enumerate(items), n=n, seed=seed)
    assert seen == len(items)
    assert len(chosen) == min(n, len(items))
    assert chosen == sorted(set(chosen))
    assert choose(enumerate(items), n=n, seed=seed) == (chosen, seen)


def test_each_item_has_the_same_chance() -> None:
    counts = Counter(item for seed in range(2000) for item in choose(range(8), n=2, seed=seed)[0])
    assert all(abs(counts[item] - 500) < 90 for item in range(8))  # 4.6 standard deviations


def test_a_sample_is_word_for_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump, out = write_dump(tmp_path / "dump.json", 20), tmp_path / "out.jsonl"
    assert main(["sample", str(dump), "--n", "5", "--seed", "7", "--out", str(out)]) == 0
    assert f"wrote 5 of 20 conversations to {out}" in capsys.readouterr().out
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    numbers = [int(line["source"].rpartition("#")[2]) for line in lines]
    assert numbers == sorted(numbers)
    assert [line["messages"] for line in lines] == [[{"role": "user", "content": f"<b>{n}</b> "}] for n in numbers]


@pytest.mark.parametrize(("n", "message"), [("21", "hold 20 conversations; ask for at most that"), ("0", "1 or more")])
def test_a_bad_size_is_named(n: str, message: str, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 20)
    with pytest.raises(InputError, match=f"--n {n}: .*{message}"):
        main(["sample", str(dump), "--n", n, "--out", str(tmp_path / "out.jsonl")])
    assert [path.name for path in tmp_path.iterdir()] == ["dump.json"]
