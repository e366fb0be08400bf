"""Lines that the fast reader takes are what the careful one reads, and it leaves all others to it."""

import io
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_tools.readers import read_records
from data_tools.readers.encoding import TextReader
from data_tools.readers.json_lines import JsonLines, plain_object
from data_tools.readers.json_stream import JsonStream, JsonValue
from data_tools.readers.opening import Source
from data_tools.readers.reading import _values
from templates import InputError

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\\n\x7f\u2028'), max_size=8)
NUMBERS = st.sampled_from([0, -1, 2**63, 2**64, 10**30, 1.5, 1e300, -0.0])
VALUES = st.recursive(
    TEXTS | NUMBERS | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.builds(json.dumps, st.dictionaries(TEXTS, VALUES, max_size=4), ensure_ascii=st.booleans())
ODD = st.sampled_from(
    [
        *(
            '{"a": 1, "a": 2}',
            '{"a": 1, "a": 1}',
            '{"a": NaN}',
            '{"a": "\\ud800"}',
            '{"a": "\\u0022"}',
            '{"a": 1} {"b": 2}',
        ),
        *(
            "",
            "  ",
            "[1]",
            "{",
            '"x"',
            "7",
            '{"a": "b',
            '{"a": "b\tc"}',
            '  {"a": 1}  ',
            '{"a": 1}\r',
            '{"a":\n1}',
            "nul",
        ),
        *('{"a": ' + "[" * depth + "]" * depth + "}" for depth in (5, 30, 250, 1100, 3000)),
        '{"a": ' + "9" * 5000 + "}",
    ]
)
BYTES = st.sampled_from([b'{"a": "\xff"}', b'{"a": "\xe9t\xe9"}', b'{"a": "\xed\xa0\x80"}'])


def outcome(read: Callable[[], Iterator[JsonValue]]) -> object:
    """Values with their rules and lines, or the error."""
    try:
        return [(repr(one.value), one.rule, one.line) for one in read()]
    except InputError as error:
        return str(error)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(OBJECTS.map(str.encode) | ODD.map(str.encode) | BYTES, max_size=6), st.sampled_from([b"\n", b"\n\n"]))
def test_any_lines_are_read_as_by_the_careful_reader(tmp_path: Path, lines: list[bytes], between: bytes) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_bytes(between.join(lines))
    fast = outcome(lambda: _values(Source("dump", path), lambda _: None))
    careful = outcome(lambda: JsonStream("dump", TextReader(io.BytesIO(path.read_bytes()), name="dump")).values())
    assert fast == careful


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 1}', '{"a": 18446744073709551616}', '{"a": "\\u0022"}', "[]", '{"a": NaN}']
)
def test_what_two_readers_may_differ_about_is_left_to_the_careful_one(text: str) -> None:
    assert plain_object(text.encode()) is None


def test_most_lines_are_taken() -> None:
    dump = b"".join(json.dumps({"id": n, "value": 'say "é"\n'}).encode() + b"\n" for n in range(5)) + b"oops\n{}\n"
    lines = JsonLines(io.BufferedReader(io.BytesIO(dump)), name="dump")  # type: ignore[arg-type]
    assert [line.value["id"] for line in lines] == [0, 1, 2, 3, 4]
    assert (lines.count, lines.rest.read()) == (5, b"oops\n{}\n")


def test_a_record_that_is_sent_is_the_record_that_was_read(tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    turns = [{"from": "human", "value": "Où?"}, {"from": "gpt", "value": "Là."}]
    lines = [json.dumps({"id": n, "conversations": turns}) for n in range(3)]
    path.write_text("\n".join([*lines, '{"id": 3, "id": 4, "conversations": []}']))
    records = list(read_records(path, report=lambda _: None))
    assert [bool(record.text) for record in records] == [True, True, True, False]
    assert pickle.loads(pickle.dumps(records)) == records  # noqa: S301 what was written here
    assert records[3].rule == "duplicate_keys"
