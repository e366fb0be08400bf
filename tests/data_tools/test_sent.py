"""Records reach another process as they were read, whether their texts travel or are read again where they stand."""

import gzip
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from data_tools.cleaning import read_dumps
from data_tools.records import RawRecord
from data_tools.rules.config import Rules
from data_tools.sent import received, sent
from templates import InputError

_TURNS = [{"from": "human", "value": "Wie spät ist es?"}, {"from": "gpt", "value": 'Zehn "Uhr" \u2028 🎈'}]
_LINES = [{"id": f"a{number}", "conversations": _TURNS * number} for number in range(1, 5)]


def _dump(path: Path, values: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in values), encoding="utf-8")
    return path


def _read(*paths: Path) -> list[RawRecord]:
    return list(read_dumps(paths, rules=Rules(split_pieces="join"), format=None, report=lambda _: None))


def _facts(records: Sequence[RawRecord]) -> list[tuple[object, ...]]:
    return [
        (one.file, one.index, one.value, one.format, one.rule, one.line, one.joined, one.own_turns) for one in records
    ]


def _arrived(records: list[RawRecord]) -> list[RawRecord]:
    return received(pickle.loads(pickle.dumps([sent(one) for one in records])))  # noqa: S301 our own


def test_plain_lines_are_read_where_they_stand(tmp_path: Path) -> None:
    records = _read(_dump(tmp_path / "a.jsonl", _LINES), _dump(tmp_path / "b.jsonl", _LINES[::-1]))
    assert all(one.place for one in records)
    assert not any(isinstance(sent(one), RawRecord) for one in records)
    assert _facts(_arrived(records)) == _facts(records)


def test_what_does_not_stand_in_a_file_travels(tmp_path: Path) -> None:
    packed, listed, broken = tmp_path / "a.jsonl.gz", tmp_path / "b.json", tmp_path / "c.jsonl"
    packed.write_bytes(gzip.compress(_dump(tmp_path / "a.jsonl", _LINES).read_bytes()))
    listed.write_text(json.dumps(_LINES), encoding="utf-8")
    broken.write_text(json.dumps(_LINES[0]) + "\n{oh\n" + json.dumps(_LINES[1]) + "\n", encoding="utf-8")
    records = _read(packed, listed, broken)
    assert [one.place is not None for one in records] == [False] * 8 + [True, False, False]
    assert _facts(_arrived(records)) == _facts(records)


def test_pieces_that_were_joined_travel(tmp_path: Path) -> None:
    pieces = [{"id": f"aBcDeFg_{at}", "conversations": _TURNS} for at in (0, 2)]
    records = _read(_dump(tmp_path / "a.jsonl", [_LINES[0], *pieces, _LINES[1]]))
    assert [one.joined for one in records] == [0, 1, 0]
    assert _facts(_arrived(records)) == _facts(records)


@pytest.mark.parametrize(
    "change", [Path.unlink, lambda path: path.write_text("{}"), lambda path: path.write_bytes(b"")]
)
def test_a_dump_that_changes_meanwhile_is_named(tmp_path: Path, change: Callable[[Path], object]) -> None:
    path = _dump(tmp_path / "a.jsonl", _LINES)
    records = _read(path)
    change(path)
    with pytest.raises(InputError, match=r"a\.jsonl: was changed while it was read"):
        _arrived(records)
