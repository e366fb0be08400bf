"""The recipe on the command line: overrides, refusals by name, and a help that does not wait for torch."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from templates.errors import InputError
from train.arguments import parse
from train.cli import main
from train.recipe import check

RECIPES = sorted((Path(__file__).parents[2] / "examples" / "recipes").glob("*.yaml"))
PATHS = ["--model.path", "base", "--data.path", "data", "--out", "model"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_is_whole_and_explains_every_value(path: Path) -> None:
    check(parse(["--config", str(path), *PATHS]), world_size=1)
    values = [line for line in path.read_text().splitlines() if ":" in line and not line.rstrip().endswith(":")]
    unexplained = [line for line in values if "#" not in line]
    assert len(values) > 5
    assert not unexplained


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("optimizer: {lr: 1e-5, betas: [0.8, 0.9]}\nschedule: {shape: linear}\n")
    recipe = parse(["--config", str(file), *PATHS, "--optimizer.lr", "3e-4"])
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.schedule.shape) == (3e-4, (0.8, 0.9), "linear")
    assert recipe.run_directory == Path("model.run")


@pytest.mark.parametrize(
    ("text", "arguments", "named"),
    [
        ("optimizer: {lrr: 1}", [], "lrr"),
        ("optimizer: {lrr: 1}", [], "did you mean optimizer.lr?"),
        ("seed: 0", ["--optimiser.lr", "1"], "did you mean optimizer.lr?"),
        ("optimiser: {lr: 1}", [], "optimiser"),
        ("schedule: {epochs: many}", [], "schedule.epochs"),
        ("schedule: {shape: round}", [], "schedule.shape"),
        ("{", [], "config"),
        ("seed: 0", ["--batch.windows", "3"], "--batch.windows"),
        ("seed: 0", ["--validation.every", "often"], "--validation.every: Expected"),
        ("seed: 0", ["--model", "base/"], "--model is a section of the recipe; name its field, such as --model.path"),
    ],
)
def test_unknown_and_mistyped_fields_are_refused_by_name(
    tmp_path: Path, text: str, arguments: list[str], named: str
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        parse(["--config", str(file), *PATHS, *arguments])
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("missing", ["--model.path", "--data.path", "--out"])
def test_a_missing_path_is_named(missing: str) -> None:
    place = PATHS.index(missing)
    with pytest.raises(InputError, match=missing.strip("-")):
        parse(PATHS[:place] + PATHS[place + 2 :])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--schedule.warmup_ratio", "2"], "warmup_ratio is 2"),
        (["--optimizer.lr", "-1"], "optimizer.lr is -1"),
        (["--batch.windows_per_step", "3"], "multiple of 2"),
    ],
)
def test_values_out_of_range_are_refused_by_name(arguments: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check(parse([*PATHS, *arguments]), world_size=2)


def test_help_is_instant_and_explains_each_option() -> None:
    code = "import sys, train.cli; sys.argv[0] = 'chaku'; train.cli.main(['--help'])"
    started = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    assert time.perf_counter() - started < 2.0  # 0.4 s on a calm machine
    assert "torch" not in result.stderr
    assert "pyarrow" not in result.stderr
    for words in ("--optimizer.lr LR", "Peak learning rate. (default: 2e-05)", "torchrun --nproc-per-node 8"):
        assert words in result.stdout
    assert "configuration file" not in result.stdout  # a section from another file: a second way to say the same


def test_a_word_that_is_no_command_is_refused() -> None:
    with pytest.raises(InputError, match="`chaku train merg`: there is only `chaku train merge`"):
        main(["merg", "adapter/"])
