import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_tools.cli import main
from templates import InputError

DUMP = '[{"id": "a", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]}]'


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.json"
    path.write_text(DUMP)
    return path


def arguments(dump: Path, model: Path, *more: str) -> list[str]:
    return [
        "prepare",
        str(dump),
        "--model",
        str(model),
        "--template",
        "vicuna_v1.1",
        "--out",
        f"{dump.parent}/out",
        *more,
    ]


def test_prepare_prints_a_summary(dump: Path, small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(dump, small_model)) == 0
    printed = capsys.readouterr().out
    assert "supervised tokens" in printed
    assert "written to" in printed
    assert (dump.parent / "out" / "train" / "windows-00000.parquet").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--template", "vicuna_v9"], "there is no template 'vicuna_v9'"),
        (["--window", "64"], "--window 64 is too small"),
        (["--window", "0"], "--window 0"),
        (["--held-out", "2"], "--held-out 2.0"),
        (["--overlap", "-1"], "--overlap -1"),
        (["--workers", "0"], "--workers 0"),
    ],
)
def test_a_bad_option_is_named(more: list[str], message: str, dump: Path, small_model: Path) -> None:
    with pytest.raises(InputError, match=message):
        main(arguments(dump, small_model, *more))
    assert not (dump.parent / "out").exists()


def test_a_model_without_tokenizer_and_a_foreign_output_are_refused(dump: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(InputError, match="model: has no tokenizer files"):
        main(arguments(dump, tmp_path / "model"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(InputError, match="out: holds files that are not ours"):
        main(arguments(dump, tmp_path / "model"))


def test_help_comes_at_once() -> None:
    command = [sys.executable, "-m", "chaku", "data", "prepare", "--help"]
    started = time.perf_counter()
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert time.perf_counter() - started < 2  # half a second on an idle machine
    assert "chaku data prepare dump.json" in shown.stdout
