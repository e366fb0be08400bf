import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.readers import json_stream
from data_tools.readers.json_stream import read_records
from templates import InputError

RECORDS = [{"id": str(n), "conversations": [{"from": "human", "value": f"größer {n} \ud83d"}]} for n in range(5)]


def values(path: Path) -> list[object]:
    return [record.value for record in read_records(path, report=lambda _: None)]


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("form", ["list", "indented list", "lines", "indented values", "byte order mark"])
def test_every_form_gives_the_same_records(
    form: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    text = {
        "list": json.dumps(RECORDS),
        "indented list": json.dumps(RECORDS, indent=2) + "\n",
        "lines": "\n".join(map(json.dumps, RECORDS)),
        "indented values": "\n".join(json.dumps(record, indent=4) for record in RECORDS) + "\n",
        "byte order mark": "\ufeff" + json.dumps(RECORDS),
    }[form]
    path = tmp_path / "dump.json"
    path.write_text(text, encoding="utf-8")
    assert values(path) == RECORDS
    assert [record.index for record in read_records(path, report=lambda _: None)] == list(range(5))


def test_long_numbers_survive_a_chunk_border(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 3)
    path = tmp_path / "dump.json"
    path.write_text('[123456789, {"conversations": []}, 1234567]')
    assert values(path) == [123456789, {"conversations": []}, 1234567]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"dump\.json: is empty"),
        (" \n ", "is empty"),
        ("[]", "an empty list"),
        ("hello", r"not JSON \(line 1, column 1"),
        (
            '[\n {"conversations": []},\n {"id": oops}]',
            r"not JSON \(line 3, column 9: Expecting value; 1 whole records",
        ),
        ('[{"conversations": []} {"id": 1}]', r"line 1, column 24: expected ',' or ']'"),
        ('[{"conversations": []}]]', "something follows the end of the list"),
        ('[{"conversations": []}, {"id": "tru', "truncated after 1 whole records"),
        ('[{"conversations": []},', "truncated after 1 whole records"),
        ('[{"conversations": []}', "truncated after 1 whole records"),
        ('{"conversations": []}\n{"id": [1,', "truncated after 1 whole records"),
        (
            '[{"instruction": "x", "output": "y"}]',
            r"no conversations in its 1 records \(keys seen: 'instruction', 'out",
        ),
        ("[1, 2]", "its values are not objects"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        values(path)
    assert "\n" not in str(error.value)


def test_missing_directory_and_encoding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        values(tmp_path / "absent.json")
    with pytest.raises(InputError, match="is a directory"):
        values(tmp_path)
    (tmp_path / "wide.json").write_text(json.dumps(RECORDS), encoding="utf-16")
    with pytest.raises(InputError, match="not UTF-8"):
        values(tmp_path / "wide.json")


@given(st.integers(min_value=2, max_value=400))
def test_a_cut_anywhere_is_called_truncated(cut: int) -> None:
    text = json.dumps(RECORDS, indent=1)
    path = Path("/dev/null")
    stream = json_stream._JsonStream(path, io.StringIO(text[: min(cut, len(text) - 1)]), lambda _: None)
    with pytest.raises(InputError, match="truncated"):
        list(stream.values())
