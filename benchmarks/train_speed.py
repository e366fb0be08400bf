"""Training against TRL, FastChat's way and the machine, on the same conversations, model and cores, in one run.

    python benchmarks/train_speed.py DUMP.json MODEL_DIR --trl TRL_VENV/bin/python [--steps 4]

Chaku prepares windows of 2048 tokens and trains on the first of them through its command. TRL packs, and FastChat's way
pads, the very same documents (ids and labels), in the same order, in the environment that --trl names. The first step
of each is left out. Peak memory is the process's own. Model FLOPs are those that the documents need: 6 per weight and
token below the head, 6 per weight of the head and supervised token, causal attention within documents.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoConfig

from train.data import Order

PEERS = Path(__file__).with_name("train_peers.py")
Steps = list[dict[str, float]]


@dataclass(frozen=True)
class Figures:
    """One contender's steps after the first, and its peak memory in bytes."""

    name: str
    steps: Steps
    peak: int

    def per_second(self, name: str) -> float:
        """Tokens of a kind a second, over all steps but the first."""
        return sum(step[name] for step in self.steps[1:]) / sum(step["seconds"] for step in self.steps[1:])


def measured(name: str, argv: list[str], *, figures_in: Path | None = None) -> Figures:
    """Run a contender as a process of its own; its figures are its last line, or the lines of a file."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(argv, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        errors.seek(0)
        if status != 0:
            sys.exit(f"{name} failed:\n{errors.read()[-3000:]}")
        lines = output.read().splitlines()
    steps = json.loads(lines[-1]) if figures_in is None else chaku_steps(figures_in)
    return Figures(name, steps, usage.ru_maxrss * 1024)


def chaku_steps(file: Path) -> Steps:
    """Seconds and tokens of each step, from a run's metrics.jsonl."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        {
            "seconds": line["seconds"],
            "tokens": line["tokens_per_second"] * line["seconds"],
            "supervised_tokens": line["supervised_tokens_per_second"] * line["seconds"],
        }
        for line in lines
        if "tokens_per_second" in line
    ]


def matrix_rate(dtype: torch.dtype) -> float:
    """FLOP/s of a 2048-cubed matrix product, the best of ten."""
    a, b = torch.randn(2048, 2048, dtype=dtype), torch.randn(2048, 2048, dtype=dtype)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds)


def prepare(dump: str, model: str, directory: Path) -> Path:
    """Windows of 2048 tokens in the model's own format."""
    data = directory / "data"
    argv = ["data", "prepare", dump, "--model", model, "--template", "vicuna_v1.1", "--out", str(data)]
    subprocess.run([sys.executable, "-m", "chaku", *argv], check=True, capture_output=True)
    return data


def windows_of(data: Path, steps: int) -> list[dict[str, Any]]:
    """The windows that Chaku takes in its first steps, in that order."""
    rows = pq.read_table(data / "train").to_pylist()
    order = Order(len(rows), seed=0, windows_per_step=1, windows_per_micro_batch=1)
    return [rows[window] for step in range(steps) for [window] in order.step(step, rank=0, world_size=1)]


def documents_of(windows: list[dict[str, Any]]) -> list[dict[str, list[int]]]:
    """Each document's ids and labels."""
    documents = []
    for window in windows:
        start = 0
        for length in window["document_lengths"]:
            part = slice(start, start + length)
            documents.append({"input_ids": window["input_ids"][part], "labels": window["labels"][part]})
            start += length
    return documents


def model_flops(model: str, windows: list[dict[str, Any]]) -> float:
    """What forward and backward of these windows need, at least."""
    config = AutoConfig.from_pretrained(model)
    heads = config.num_attention_heads * (config.head_dim or config.hidden_size // config.num_attention_heads)
    shared = config.num_key_value_heads / config.num_attention_heads
    attention = config.hidden_size * heads * (2 + 2 * shared)
    layer = attention + 3 * config.hidden_size * config.intermediate_size
    tokens = sum(len(window["input_ids"]) for window in windows)
    supervised = sum(label != -100 for window in windows for label in window["labels"])
    squares = sum(length**2 for window in windows for length in window["document_lengths"])
    return (
        6 * layer * config.num_hidden_layers * tokens
        + 6 * config.hidden_size * config.vocab_size * supervised
        + 6 * heads * squares * config.num_hidden_layers
    )


def contenders(options: argparse.Namespace, directory: Path) -> tuple[list[Figures], float]:
    """All figures, and Chaku's model FLOP/s."""
    data = prepare(options.dump, options.model, directory)
    windows = windows_of(data, options.steps)
    rows = directory / "rows.jsonl"
    rows.write_text("\n".join(map(json.dumps, documents_of(windows))))
    out = directory / "model"
    values = {
        "model.path": options.model,
        "model.compute_dtype": options.dtype,
        "data.path": data,
        "out": out,
        "batch.windows_per_step": 1,
        "optimizer.lr": 1e-4,
        "schedule.max_steps": options.steps,
        "validation.windows": 0,
        "checkpoint.every": 0,
    }
    chaku = [sys.executable, "-m", "chaku", "train", *(f"--{name}={value}" for name, value in values.items())]
    chaku += options.chaku
    found = [measured("Chaku", chaku, figures_in=directory / "model.run" / "metrics.jsonl")]
    for name, kind in (("TRL SFTTrainer, packed", "trl"), ("FastChat's way, padded", "padded")):
        if options.trl:
            argv = [options.trl, str(PEERS), kind, options.model, str(rows), str(options.steps), options.dtype]
            found.append(measured(name, argv))
    seconds = sum(step["seconds"] for step in found[0].steps[1:])
    return found, model_flops(options.model, windows[1:]) / seconds


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("model")
    parser.add_argument("--trl", metavar="PYTHON", help="Python of an environment with TRL")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--chaku", nargs=argparse.REMAINDER, default=[], help="more options for `chaku train`")
    options = parser.parse_args()
    rates = {name: matrix_rate(dtype) for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32))}
    with tempfile.TemporaryDirectory() as directory:
        found, flops = contenders(options, Path(directory))
    table = Table("contender", "supervised tokens/s", "tokens/s", "peak memory", "Chaku's speed", "Chaku's memory")
    ours = found[0]
    for figures in found:
        supervised = figures.per_second("supervised_tokens")
        ratio, memory = ours.per_second("supervised_tokens") / supervised, ours.peak / figures.peak
        table.add_row(
            figures.name,
            f"{supervised:.0f}",
            f"{figures.per_second('tokens'):.0f}",
            f"{figures.peak / 1e9:.1f} GB",
            f"{ratio:.2f} x",
            f"{memory:.2f} x",
        )
    console = Console(width=120)
    console.print(table)
    for name, rate in rates.items():
        console.print(f"matrix product in {name}: {rate / 1e9:.0f} GFLOP/s; Chaku's model FLOPs are {flops / rate:.0%}")
    console.print(f"load: {os.getloadavg()}, {resource.getpagesize()} B pages, torch {torch.__version__}")


if __name__ == "__main__":
    main()
