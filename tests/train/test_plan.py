import io
from pathlib import Path

import pytest
from rich.console import Console

from templates.errors import InputError
from tests.road import ROOT
from train.arguments import parse
from train.cli import main
from train.data import Windows
from train.gpus import GPUS, expected_utilisation, gpu_named, reported_as
from train.plan import Plan, config_of, devices_named, make_plan, show
from train.recipe import Recipe

RECIPES = sorted((ROOT / "examples" / "recipes").glob("*.yaml"))


def recipe_of(name: str, model: str) -> Recipe:
    config = str(ROOT / "examples" / "recipes" / f"{name}.yaml")
    return parse(["--config", config, "--model.path", model, "--data.path", "", "--out", "model"])


def planned(name: str, model: str, *, gpu: str = "a100-80gb", gpus: int = 8, tokens: float = 207e6) -> Plan:
    recipe = recipe_of(name, model)
    devices = devices_named(gpu, count=gpus, utilisation=None, recipe=recipe)
    return make_plan(recipe, devices, tokens=tokens, window=512 if name == "alpaca-7b" else 2048)


def test_vicuna_13b_fits_and_ends_within_its_published_day() -> None:
    """70K conversations are about 207 million tokens: the published 125K conversations are 370 million."""
    plan = planned("vicuna-13b", "13b")
    assert plan.fits
    assert 8 < plan.hours < 24
    assert plan.steps == 2369
    # six FLOPs a parameter and token, and attention on top
    assert 6 * 13.0e9 * 207e6 * 3 < plan.flops < 1.1 * 6 * 13.0e9 * 207e6 * 3


def test_alpaca_7b_ends_within_its_published_three_hours() -> None:
    """52K instructions padded to 512, as it was trained: Chaku's packing needs a third of these tokens."""
    assert planned("alpaca-7b", "7b", tokens=52_000 * 512).hours < 3


def test_lora_on_one_card_of_24_gb_fits() -> None:
    plan = planned("lora-7b-24gb", "7b", gpu="rtx-4090", gpus=1, tokens=20e6)
    assert plan.fits
    assert plan.memory.largest == "weights"
    assert not planned("vicuna-7b", "7b", gpu="rtx-4090", gpus=1).fits


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_has_a_plan(path: Path) -> None:
    size = next((size for size in ("135m", "13b", "7b") if size in path.stem), "7b")
    plan = planned(path.stem, size, gpus=1 if "24gb" in path.stem or size == "135m" else 8)
    text = io.StringIO()
    show(plan, price=2.0, console=Console(file=text, width=100))
    assert all(said in text.getvalue() for said in ("parameters", "steps", "MFU assumed", "cost"))


def test_windows_on_the_disk_are_counted_as_they_are(data_directory: Path, model_directory: Path) -> None:
    recipe = parse(["--model.path", str(model_directory), "--data.path", str(data_directory), "--out", "m"])
    devices = devices_named("h100", count=1, utilisation=0.4, recipe=recipe)
    plan = make_plan(recipe, devices, tokens=None, window=2048)
    assert (plan.epoch.windows, plan.devices.source) == (len(Windows(data_directory / "train")), "--mfu")
    assert "counted" in plan.epoch.source
    assert plan.flops > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plan", "13b", "--gpu", "h900", "--tokens", "1M"], "--gpu h900: not known; give one of b200"),
        (["--plan", "9x", "--gpu", "h100", "--tokens", "1M"], "neither a known size"),
        (["--plan", "13b", "--gpu", "h100"], "says no data"),
        (["--plan", "--gpu", "h100", "--tokens", "1M"], "says no model"),
        (["--plan", "13b", "--gpu", "h100", "--gpus", "0", "--tokens", "1M"], "--gpus is 0"),
        (["--plan", "13b", "--gpu", "h100", "--mfu", "40", "--tokens", "1M"], "--mfu is 40"),
    ],
)
def test_what_cannot_be_planned_is_named(arguments: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        main(arguments)


def test_the_exit_code_says_whether_it_fits(capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(ROOT / "examples" / "recipes" / "vicuna-7b.yaml")]
    assert main(["--plan", "7b", "--gpu", "rtx-4090", "--tokens", "1M", *config]) == 1
    assert "does not" in capsys.readouterr().out


def test_names_that_cuda_reports() -> None:
    assert reported_as("NVIDIA A100-SXM4-80GB") is GPUS["a100-80gb"]
    assert reported_as("NVIDIA A100-PCIE-40GB") is GPUS["a100-40gb"]
    assert reported_as("NVIDIA H100 PCIe") is GPUS["h100-pcie"]
    assert reported_as("Quadro") is None
    assert gpu_named("l4").gigabytes == 24
    assert expected_utilisation("a100-40gb")[0] == 0.50


def test_known_sizes_have_the_published_parameters() -> None:
    assert config_of("8B").vocab_size == 128_256
    published = {"135m": 134_515_008, "7b": 6_738_415_616, "8b": 8_030_261_248, "13b": 13_015_864_320}
    for size, weights in published.items():
        assert planned("vicuna-7b", size).weights == weights
