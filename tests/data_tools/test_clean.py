import json
from pathlib import Path

import pytest

from data_tools.clean import clean
from data_tools.cli import main
from templates import InputError

RECORDS = [
    {"id": "a", "system": "Be kind.", "conversations": [
        {"from": "human", "value": "1 / 1\nHi"}, {"from": "gpt", "value": "<div><p>Hello <b>you</b></p></div>"},
        {"from": "human", "value": "More"}, {"from": "gpt", "value": "Sure.", "train": False}]},
    {"id": "b", "conversations": [{"from": "gpt", "value": "...and so on."}]},
]  # fmt: skip


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(RECORDS))
    return path


def test_clean_writes_conversations_and_says_what_it_did(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = dump.parent / "conversations.jsonl"
    assert main(["clean", str(dump), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "wrote 1 of 2 conversations" in printed
    assert "turns changed, by rule: html_reply 1, outer_whitespace 1, variant_counter 1" in printed
    assert "turns left out, by rule: leading_reply 1" in printed
    [line] = out.read_text().splitlines()
    assert json.loads(line) == {
        "id": "a",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello **you**"},
            {"role": "user", "content": "More"},
            {"role": "assistant", "content": "Sure.", "train": False},
        ],
        "source": f"{dump}#0",
    }


def test_cleaning_twice_is_cleaning_once(dump: Path) -> None:
    first, second = dump.parent / "1.jsonl", dump.parent / "2.jsonl"
    clean([dump], out=first)
    done = clean([first], out=second)
    assert (done.written, done.changed, done.rejected) == (1, {}, {})
    assert json.loads(first.read_text())["messages"] == json.loads(second.read_text())["messages"]


def test_a_dump_without_replies_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text(json.dumps(RECORDS[1:]))
    with pytest.raises(InputError, match="not one conversation has a question with a reply"):
        clean([tmp_path / "dump.json"], out=tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["dump.json"]
