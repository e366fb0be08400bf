import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.readers import json_stream
from data_tools.readers.json_stream import JsonStream, JsonValue
from templates import InputError

RECORDS = [{"id": str(n), "conversations": [{"from": "human", "value": f"größer {n} \ud83d"}]} for n in range(5)]


class Text(io.StringIO):
    damaged = False


def read(text: str) -> list[JsonValue]:
    return list(JsonStream("dump.json", Text(text, newline="")).values())


def values(text: str) -> list[object]:
    return [one.value for one in read(text)]


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 18])
@pytest.mark.parametrize("form", ["list", "indented list", "lines", "windows lines", "indented values"])
def test_every_form_gives_the_same_values(form: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    text = {
        "list": json.dumps(RECORDS),
        "indented list": json.dumps(RECORDS, indent=2) + "\n",
        "lines": "\n".join(map(json.dumps, RECORDS)),
        "windows lines": "\r\n".join(map(json.dumps, RECORDS)) + "\r\n",
        "indented values": "\n".join(json.dumps(record, indent=4) for record in RECORDS) + "\n",
    }[form]
    assert values(text) == RECORDS


def test_long_numbers_survive_a_chunk_border(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 3)
    assert values('[123456789, {"conversations": []}, 1234567]') == [123456789, {"conversations": []}, 1234567]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"dump\.json: is empty"),
        (" \n ", "is empty"),
        ("hello", r"not JSON \(line 1, column 1: expected"),
        ('{"a": oops}\n{"b": oops}', r"not JSON \(line 1, column 7: Expecting value; 0 whole records"),
        ('[\n {"a": []},\n {"id": oops}]', r"not JSON \(line 3, column 9: Expecting value; 1 whole records"),
        ('[{"a": []} {"id": 1}]', r"line 1, column 12: expected ',' or ']'"),
        ('[{"a": []}]]', "something follows the end of the list"),
        ('[{"a": []}, {"id": "tru', "truncated after 1 whole records"),
        ('[{"a": []},', "truncated after 1 whole records"),
        ('[{"a": []}', "truncated after 1 whole records"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        values(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("chunk", [5, 1 << 18])
def test_a_broken_line_is_named_and_the_next_one_read(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    lines = [
        '{"a": 1}',
        '{"b": oops}',
        '{"cut": "in the mid',
        '{"open": [',
        '{"c": 2}',
        "rubbish",
        '{"d": 3}',
        '{"e": ',
    ]
    found = read("\n".join(lines))
    assert [(one.value, one.rule, one.line) for one in found] == [
        ({"a": 1}, "", 0), ('{"b": oops}', "not_json", 2), ('{"cut": "in the mid', "not_json", 3),
        ('{"open": [', "not_json", 4), ({"c": 2}, "", 0), ("rubbish", "not_json", 6), ({"d": 3}, "", 0),
        ('{"e":', "not_json", 8),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["lines", "list"])
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"a": ' + "[" * 50_000 + "]" * 50_000 + "}", "nested_too_deeply"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", "nested_too_deeply"),
        ('{"a": ' + "1" * 5000 + "}", "number_too_long"),
        ('{"a": 1, "a": 2}', "duplicate_keys"),
        ('{"a": 1, "a": 1}', ""),
    ],
)
def test_hostile_values_are_named_and_the_next_one_read(text: str, rule: str, form: str) -> None:
    whole = f'{{"x": 1}}\n{text}\n{{"y": 2}}' if form == "lines" else f'[{{"x": 1}}, {text}, {{"y": 2}}]'
    first, named, last = read(whole)
    assert (first.value, named.rule, last.value) == ({"x": 1}, rule, {"y": 2})


@pytest.mark.timeout(20)  # a hang, not a speed
def test_a_turn_of_ten_million_characters_is_read() -> None:
    text = json.dumps({"conversations": [{"from": "human", "value": "größer \\ \n" * 1_000_000}]})
    [value] = values(text)
    assert value == json.loads(text)


@given(st.integers(min_value=2, max_value=400))
def test_a_cut_list_is_called_truncated(cut: int) -> None:
    text = json.dumps(RECORDS, indent=1)
    with pytest.raises(InputError, match="truncated"):
        values(text[: min(cut, len(text) - 1)])


@given(data=st.data(), chunk=st.integers(1, 30))
def test_whatever_happens_to_one_line_the_others_are_read(data: st.DataObject, chunk: int) -> None:
    lines = [json.dumps(record) for record in RECORDS]
    hurt = data.draw(st.integers(1, 3))
    at = data.draw(st.integers(1, len(lines[hurt]) - 1))
    lines[hurt] = lines[hurt][:at] + data.draw(st.sampled_from(["", "}", '"', "\\", "[", "x", "\x00"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        found = read("\n".join(lines))
    whole = [one.value for one in found if not one.rule]
    others = [record for record in RECORDS if record != RECORDS[hurt]]
    assert [value for value in whole if value in others] == others
