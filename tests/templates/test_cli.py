import json
from pathlib import Path

import pytest

import templates
from templates import InputError
from templates.cli import main, read_record

RECORDS = [{"id": "a", "messages": [{"role": "user", "content": f"q{number}"}]} for number in range(2)]


def test_list_names_every_format(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in templates.names())
    assert "'USER: ... ASSISTANT: ...EOS'" in shown


def test_show_gives_the_stop_and_the_fingerprint(small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "vicuna_v1.1", "--model", str(small_model)]) == 0
    shown = capsys.readouterr().out
    assert "a reply ends with '<|im_end|>' (ids: 2)" in shown
    assert "fingerprint " in shown


def test_preview_reads_conversations_and_writes_a_page(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text("\n".join(map(json.dumps, RECORDS)), encoding="utf-8")
    argv = ["preview", "--template", "vicuna_v1.1", "--model", str(small_model), str(file), "--record", "1"]
    assert main(argv) == 0
    assert "q|1" in capsys.readouterr().out
    assert main([*argv, "--html", str(tmp_path / "look.html")]) == 0
    assert "record 1" in (tmp_path / "look.html").read_text(encoding="utf-8")


def test_records_of_a_json_list_are_counted_from_0(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text(json.dumps(RECORDS), encoding="utf-8")
    assert read_record(file, 1)[0].content == "q1"
    with pytest.raises(InputError, match=r"--record 2: .* has the records 0 to 1"):
        read_record(file, 2)


@pytest.mark.parametrize("text", ["{", '{"id": 1}', '{"messages": [{"role": "me", "content": "x"}]}', "[3]"])
def test_what_is_no_conversation_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"c\.jsonl, record 0: not a conversation"):
        read_record(file, 0)


def test_a_missing_file_and_a_missing_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_record(tmp_path / "none", 0)
    with pytest.raises(InputError, match="no tokenizer can be loaded"):
        main(["show", "vicuna_v1.1", "--model", str(tmp_path)])
