import json
from pathlib import Path

import pytest

from data_tools.cli import main
from data_tools.convert import convert
from templates import InputError

RECORDS = [
    {"id": "a", "system": "Be kind.", "conversations": [
        {"from": "human", "value": "1 / 1\nHi"}, {"from": "gpt", "value": "<div><p>Hello <b>you</b></p></div>"}]},
    {"id": "b", "conversations": [{"from": "gpt", "value": "...and so on."}]},
]  # fmt: skip


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(RECORDS))
    return path


def test_both_conventions_and_back(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = dump.parent / "messages.jsonl"
    assert main(["convert", str(dump), "--to", "messages", "--out", str(out)]) == 0
    assert "wrote 1 conversations" in capsys.readouterr().out
    [written] = [json.loads(line) for line in out.read_text().splitlines()]
    assert written == {
        "id": "a",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello **you**"},
        ],
        "source": f"{dump}#0",
    }
    count, rejected = convert([out], to="sharegpt", out=dump.parent / "sharegpt.jsonl")
    assert (count, rejected) == (1, {})
    [back] = [json.loads(line) for line in (dump.parent / "sharegpt.jsonl").read_text().splitlines()]
    assert [turn["from"] for turn in back["conversations"]] == ["system", "human", "gpt"]
    assert [turn["value"] for turn in back["conversations"]] == [turn["content"] for turn in written["messages"]]


def test_what_is_left_out_is_named(dump: Path) -> None:
    assert convert([dump], to="messages", out=dump.parent / "out.jsonl") == (1, {"leading_reply": 1})


def test_a_dump_without_replies_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text(json.dumps(RECORDS[1:]))
    with pytest.raises(InputError, match="not one conversation"):
        convert([tmp_path / "dump.json"], to="messages", out=tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["dump.json"]
