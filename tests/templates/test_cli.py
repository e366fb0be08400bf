import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import templates
from templates import InputError, fastchat
from templates.cli import main
from templates.loading import load_encoder

RECORDS = [
    {"id": "a", "messages": [{"role": "user", "content": "first?"}, {"role": "assistant", "content": "one"}]},
    {"id": "b", "messages": [{"role": "user", "content": "second\u2028?"}, {"role": "assistant", "content": "two"}]},
]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    file = tmp_path / "conversations.jsonl"
    file.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS), encoding="utf-8")
    return file


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["preview"]])
def test_each_help_has_an_example_and_comes_at_once(command: list[str]) -> None:
    started = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-m", "chaku", "templates", *command, "--help"], check=True, capture_output=True, text=True
    )
    assert "example" in shown.stdout
    assert " ".join(["chaku templates", *command]) in shown.stdout
    assert time.perf_counter() - started < 10, "on an idle machine it takes 0.25 s; this is a guard against imports"


def test_list_names_every_format_and_what_ends_its_replies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split("│")[1].strip(): line for line in shown.splitlines() if "│" in line}
    assert set(templates.names()) <= lines.keys()
    assert "{eos_token}" in lines["vicuna_v1.1"]
    assert r"'\n###'" in lines["vicuna_v0"]
    assert "<|im_end|>" in lines["chatml"]
    assert all(name in shown for name in ("fastchat:NAME", "tokenizer", ".jinja"))
    listed = " ".join(shown.partition("fastchat:NAME is one of ")[2].split()).split(", ")
    assert set(listed) == set(fastchat.names())


def test_list_says_how_to_get_at_fastchats_registry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fastchat.conversation", None)
    assert main(["list"]) == 0
    assert "pip install 'fschat==0.2.36'" in capsys.readouterr().out


def test_show_needs_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "vicuna_v1.1"]) == 0
    shown = capsys.readouterr().out
    assert "{{- bos_token -}}" in shown
    assert "USER: Hi ASSISTANT: Hello!{eos_token}USER: How are you?" in shown


def test_show_gives_the_models_part(small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "vicuna_v0", "--model", str(small_model)]) == 0
    facts = dict(re.findall(r"^ ?(\w[\w ]*?)  +(.*?) *$", capsys.readouterr().out, re.MULTILINE))
    encoder = load_encoder("vicuna_v0", str(small_model))
    assert facts["fingerprint"] == encoder.fingerprint.digest
    assert facts["stop strings"] == r"'\n###'"
    assert facts["stop ids"].startswith("none")
    assert facts["BOS"].startswith("none")
    assert main(["show", "tokenizer", "--model", str(small_model)]) == 0
    facts = dict(re.findall(r"^ ?(\w[\w ]*?)  +(.*?) *$", capsys.readouterr().out, re.MULTILINE))
    assert facts["ends a reply"] == facts["EOS"] == "<|im_end|>"
    assert facts["stop ids"] == "2"
    assert facts["BOS"] == "<|im_start|>", "its own template opens the text with it"


def test_preview_prints_a_record_or_writes_a_page(
    small_model: Path, conversations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["preview", "--template", "vicuna_v1.1", "--model", str(small_model), str(conversations), "--record", "1"]
    assert main(argv) == 0
    assert "⟦ two·‹<|im_end|>›⟧" in capsys.readouterr().out
    page = conversations.with_name("look.html")
    assert main([*argv, "--html", str(page)]) == 0
    assert f"vicuna_v1.1 - b - {conversations}#1" in page.read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"wrote {page}\n"


@pytest.mark.parametrize("argv", [["show", "vicunna"], ["preview", "--template", "vicunna", "--model", "MODEL"]])
def test_an_unknown_template_is_refused_with_the_nearest(argv: list[str], small_model: Path) -> None:
    with pytest.raises(InputError, match=r"there is no template 'vicunna'; the nearest are vicuna_v"):
        main([str(small_model) if word == "MODEL" else word for word in argv])


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no tokenizer files; give a complete Hugging Face model directory"):
        main(["show", "chatml", "--model", str(tmp_path)])
    with pytest.raises(InputError, match="there is no such directory; give a Hugging Face model directory"):
        main(["show", "chatml", "--model", str(tmp_path / "nowhere")])
    for damaged in ("hello", '{"version": "1.0"}'):
        (tmp_path / "tokenizer.json").write_text(damaged, encoding="utf-8")
        with pytest.raises(InputError, match="no tokenizer could be loaded from it"):
            main(["show", "chatml", "--model", str(tmp_path)])


def test_bad_input_leaves_no_page(conversations: Path) -> None:
    page = conversations.with_name("look.html")
    argv = ["preview", "--template", "chatml", "--model", "nowhere", str(conversations), "--html", str(page)]
    with pytest.raises(InputError, match=r"--record 9: .* has the records 0 to 1"):
        main([*argv, "--record", "9"])
    assert not page.exists()
