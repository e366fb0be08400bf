import json
from pathlib import Path

import pytest

from templates import Conversation, InputError, Message
from templates.one_record import read_record

QUESTIONS = ("a\u2028b", "c\u0085d", "e\r\nf")
RECORDS = [{"id": text, "messages": [{"role": "user", "content": text}]} for text in QUESTIONS]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.jsonl"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n \n"])
@pytest.mark.parametrize("opening", ["", "\ufeff", "\n"])
@pytest.mark.parametrize("number", range(3))
def test_a_record_of_json_lines_is_found_by_its_number(file: Path, separator: str, opening: str, number: int) -> None:
    lines = separator.join(json.dumps(record, ensure_ascii=False) for record in RECORDS)
    file.write_bytes((opening + lines).encode())
    messages = (Message(role="user", content=QUESTIONS[number]),)
    assert read_record(file, number) == Conversation(id=QUESTIONS[number], messages=messages, source=f"{file}#{number}")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_record_of_a_json_list_is_found_by_its_number(file: Path, indent: int | None) -> None:
    file.write_text("\n" + json.dumps(RECORDS, indent=indent), encoding="utf-8")
    assert read_record(file, 2).messages[0].content == QUESTIONS[2]


@pytest.mark.parametrize(
    ("text", "number", "message"),
    [
        ("", 0, "--record 0: .* is empty"),
        ("[]", 0, "--record 0: .* is empty"),
        ('{"messages": []}', 1, "--record 1: .* has the records 0 to 0"),
        ('{"messages": []}', -1, "--record -1: .* has the records 0 to 0"),
        ("{", 0, "record 0: not JSON"),
        ("[{", 0, "record 0: not JSON"),
        ("hello", 0, "record 0: not JSON"),
        ("[" * 100_000, 0, "record 0: not "),
        ("[3]", 0, "record 0: not a conversation"),
        ('{"id": 1}', 0, "record 0: not a conversation"),
        ('{"conversations": []}', 0, "record 0: not a conversation .*`chaku data convert"),
        ('{"messages": "hello"}', 0, "record 0: not a conversation"),
        ('{"messages": []}', 0, "record 0: not a conversation"),
        ('{"messages": ["hello"]}', 0, "record 0: not a conversation"),
        ('{"messages": [{"role": "me", "content": "x"}]}', 0, "turn 0: role 'me'"),
        ('{"messages": [{"role": "user", "content": null}]}', 0, "turn 0: content is NoneType"),
    ],
)
def test_what_is_no_conversation_is_named(file: Path, text: str, number: int, message: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_record(file, number)


def test_what_cannot_be_read_is_named(file: Path) -> None:
    with pytest.raises(InputError, match=r"c\.jsonl: cannot be read \(No such file or directory\)"):
        read_record(file, 0)
    with pytest.raises(InputError, match="cannot be read"):
        read_record(file.parent, 0)
    file.write_bytes(b'{"id": "\xff"}')
    with pytest.raises(InputError, match="is not UTF-8"):
        read_record(file, 0)


def test_a_record_of_sharegpt_is_read_as_it_stands(file: Path) -> None:
    turns = [{"from": "human", "value": "1 / 2Hi"}, {"from": "gpt", "value": "<div>Hello</div>"}]
    file.write_text(json.dumps([{"id": "x", "conversations": turns}]), encoding="utf-8")
    messages = (Message(role="user", content="1 / 2Hi"), Message(role="assistant", content="<div>Hello</div>"))
    assert read_record(file, 0) == Conversation(id="x", messages=messages, source=f"{file}#0")


def test_a_record_with_neither_form_is_named(file: Path) -> None:
    file.write_text('{"conversations": [{"from": "human"}]}', encoding="utf-8")
    with pytest.raises(InputError, match="record 0: not a conversation"):
        read_record(file, 0)
