"""Windows become the model's inputs, in an order that depends on nothing but the seed."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.errors import InputError
from tests.train import tiny
from train.data import Order, Windows, micro_batch, read_manifest


def test_the_docstrings_example() -> None:
    batch = micro_batch([4, 5, 7, 8, 9], [-100, -100, 7, -100, 9], [3, 2], ["a", "b"])
    assert batch.position_ids.tolist() == [[0, 1, 2, 0, 1]]
    assert batch.cumulative_lengths.tolist() == [0, 3, 5]
    assert (batch.positions.tolist(), batch.targets.tolist(), batch.longest) == ([1, 3], [7, 9], 3)


def test_a_label_at_a_documents_first_token_is_no_target() -> None:
    batch = micro_batch([4, 5, 6], [4, 5, 6], [2, 1], ["a", "b"])
    assert (batch.positions.tolist(), batch.targets.tolist()) == ([0], [5])


def test_windows_come_back_as_written(data_directory: Path) -> None:
    windows = Windows(data_directory / "train")
    one, two, both = windows.take([3]), windows.take([7]), windows.take([3, 7])
    assert both.input_ids[0].tolist() == one.input_ids[0].tolist() + two.input_ids[0].tolist()
    assert both.targets.tolist() == one.targets.tolist() + two.targets.tolist()
    assert both.sources == one.sources + two.sources
    assert len(windows) == 12


def test_an_empty_part_has_no_windows(tmp_path: Path) -> None:
    assert len(Windows(tmp_path / "held_out")) == 0


@given(
    windows=st.integers(1, 50),
    accumulation=st.integers(1, 4),
    size=st.integers(1, 3),
    world_size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_ranks_and_micro_batches_share_out_the_same_windows(
    windows: int, accumulation: int, size: int, world_size: int, seed: int
) -> None:
    per_step = accumulation * size * world_size
    order = Order(windows, seed, per_step, size)
    alone = Order(windows, seed, per_step, per_step)
    steps = -(-2 * windows // per_step)
    seen: list[int] = []
    for step in range(steps):
        dealt = [order.step(step, rank=rank, world_size=world_size) for rank in range(world_size)]
        assert all(len(batches) == accumulation for batches in dealt)
        rows = [row for turn in zip(*dealt, strict=True) for batch in turn for row in batch]
        assert [rows] == alone.step(step, rank=0, world_size=1)
        seen += rows
    assert sorted(seen[:windows]) == sorted(seen[windows : 2 * windows]) == list(range(windows))


def test_rows_whose_columns_disagree_are_refused(tmp_path: Path) -> None:
    row = {"input_ids": [1, 2, 3], "labels": [1, 2, 3], "document_lengths": [2], "sources": ["a"]}
    tiny.write_windows(tmp_path, [row])  # type: ignore[list-item]
    with pytest.raises(InputError, match="document lengths do not fit"):
        Windows(tmp_path)


def test_a_truncated_shard_is_named(tmp_path: Path, data_directory: Path) -> None:
    shard = shutil.copy(data_directory / "train" / "windows-00000.parquet", tmp_path)
    Path(shard).write_bytes(Path(shard).read_bytes()[:500])
    with pytest.raises(InputError, match="windows-00000"):
        Windows(tmp_path)


@pytest.mark.parametrize(("text", "words"), [(None, "no such file"), ("{", "not JSON"), ("{}", "has no fingerprint")])
def test_a_manifest_that_is_not_one_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_manifest(tmp_path)
