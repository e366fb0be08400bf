"""What processes write is found again by its place, whoever wrote it."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.spool import Spools, written


def test_what_other_processes_wrote_is_read(tmp_path: Path) -> None:
    parts = [bytes([65 + number]) * (number + 1) for number in range(12)]
    with ProcessPoolExecutor(2, get_context("forkserver")) as pool, closing(Spools(tmp_path)) as spools:
        theirs = [spools.place(one) for one in pool.map(partial(written, tmp_path), parts)]
        mine = [spools.place(one) for one in parts]
        assert [spools.read(place, len(one)) for place, one in zip(theirs, parts, strict=True)] == parts
        assert [spools.read(place, len(one)) for place, one in zip(mine, parts, strict=True)] == parts
    assert 2 <= len(list(tmp_path.iterdir())) <= 3


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_a_place_can_be_counted_on_from(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    with closing(Spools(tmp_path_factory.mktemp("spool"))) as spools:
        spools.place(b"before")
        whole = spools.place(b"".join(parts))
        for number, one in enumerate(parts):
            assert spools.read(whole + sum(map(len, parts[:number])), len(one)) == one


def test_what_is_written_already_is_not_written_again(tmp_path: Path) -> None:
    where = written(tmp_path, b"once")
    assert written(tmp_path, where) is where
    assert (tmp_path / where.name).read_bytes() == b"once"
