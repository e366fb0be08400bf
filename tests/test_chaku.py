import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import chaku

CHAKU = str(Path(sys.executable).with_name("chaku"))


def run(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([CHAKU, *argv], check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", chaku.COMMANDS)
def test_each_command_is_there_and_explains_itself(name: str) -> None:
    command = chaku.COMMANDS[name]
    assert callable(getattr(import_module(command.module), command.function))
    shown = run(name, "--help")
    assert shown.returncode == 0
    assert f"chaku {name}" in shown.stdout
    assert "example" in shown.stdout


def test_help_imports_no_heavy_package() -> None:
    heavy = ["torch", "transformers", "vllm", "gradio", "pyarrow", "rich", "jsonargparse"]
    program = f"import chaku, sys; chaku.run(['--help']); sys.exit(any(name in sys.modules for name in {heavy!r}))"
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("name", chaku.COMMANDS)
def test_the_help_of_a_command_imports_neither_torch_nor_a_server(name: str) -> None:
    program = (
        "import chaku, sys\n"
        f"try: chaku.run([{name!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(heavy in sys.modules for heavy in ('torch', 'transformers', 'vllm', 'gradio')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


def test_an_unknown_command_is_refused_with_the_nearest() -> None:
    refused = run("trian")
    assert refused.returncode == 2
    assert refused.stderr == "chaku: error: there is no command 'trian'; did you mean `chaku train`?\n"


def test_bad_input_is_one_line_and_exit_code_2() -> None:
    refused = run("serve", "nowhere")
    assert refused.returncode == 2
    assert refused.stderr == "chaku: error: nowhere: there is no such directory; `chaku train` writes one\n"


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    shown = subprocess.run(f"{CHAKU} --help | true", shell=True, check=False, capture_output=True, text=True)  # noqa: S602
    assert shown.stderr == ""
