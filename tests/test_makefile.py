"""The commands of the Makefile, as far as `make -n` shows them without running anything."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["demo", "STEPS=3", "ONCE=1"], "examples/demo.py --dump examples/sharegpt_sample.json --steps 3 --once"),
        (
            ["alpaca", "TARGET=7", "TEACHER=http://127.0.0.1:1/v1", "BUDGET=2M", "MODEL=base/"],
            "examples/instruct.py alpaca --work alpaca-run --target 7"
            " --model base/ --teacher http://127.0.0.1:1/v1 --budget 2M --max-tokens 256",
        ),
        (
            ["wizardlm", "MAX_TOKENS=", "STEPS=2", "ONCE=1"],
            "examples/instruct.py wizardlm --work wizardlm-run --target 20 --steps 2 --once",
        ),
    ],
)
def test_variables_become_the_options_of_the_road(words: list[str], command: str) -> None:
    # The tests run under a make themselves.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    argv = ["make", "-n", *words]
    shown = subprocess.run(argv, cwd=ROOT, env=outside, capture_output=True, text=True, check=True).stdout
    said = " ".join(shown.replace("\\\n", " ").replace('"', "").split())
    assert said.endswith(command)
