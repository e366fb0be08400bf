"""Training against TRL, FastChat's way and the machine, on the same conversations, model and cores, in one run.

    python benchmarks/train_speed.py DUMP.json MODEL_DIR --trl TRL_VENV/bin/python [--types float32] [--rounds 2]

Chaku prepares windows of 2048 tokens and trains on the first of them through its command, as it comes and compiled. TRL
packs, and FastChat's way pads, the very same documents (ids and labels), in the environment that --trl names. The
contenders take turns, each a process of its own; the first step of each is left out. A contender's speed is the
supervised tokens of all these documents by the steps that they fill and the median seconds of a step. Peak memory is
the process's largest resident set, model FLOPs are those that the documents need: 6 per weight and token below the
head, 6 per weight of the head and supervised token, causal attention within documents.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoConfig

from train.data import Order

PEERS = Path(__file__).with_name("train_peers.py")
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Windows = list[dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """What the measured windows hold."""

    windows: int
    documents: int
    tokens: int
    supervised_tokens: int
    flops: float


@dataclass
class Contender:
    """A way to train in a type: the steps that the documents fill, and what was measured in all rounds.

    Ours writes to `out`, which goes after each round, since a finished model would not be trained again.
    """

    name: str
    dtype: str
    argv: list[str]
    steps: int
    out: Path | None = None
    seconds: list[float] = field(default_factory=list)
    peak: int = 0

    def run(self) -> None:
        """Train once, as a process of its own; the seconds are its last line, or in the lines of a file."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(self.argv, stdout=output, stderr=errors)
            _, status, usage = os.wait4(process.pid, 0)
            output.seek(0)
            errors.seek(0)
            if status != 0:
                sys.exit(f"{self.name} failed:\n{errors.read()[-3000:]}")
            seconds = logged(self.out) if self.out else json.loads(output.read().splitlines()[-1])
        self.seconds += seconds[1:]
        self.peak = max(self.peak, usage.ru_maxrss * 1024)
        print(f"{self.name}, {self.dtype}: {[round(each, 2) for each in seconds]} s", file=sys.stderr, flush=True)

    def per_second(self, amount: float) -> float:
        """So much of the documents' work in a second."""
        return amount / (self.steps * statistics.median(self.seconds))


def logged(out: Path) -> list[float]:
    """The seconds of each step, from a run's metrics.jsonl; drops the run and its model."""
    run = out.with_name(f"{out.name}.run")
    lines = list(map(json.loads, (run / "metrics.jsonl").read_text().splitlines()))
    shutil.rmtree(run)
    shutil.rmtree(out)
    return [line["seconds"] for line in lines if "seconds" in line]


def matrix_rate(dtype: torch.dtype) -> float:
    """FLOP/s of a 2048-cubed matrix product, the best of ten."""
    a, b = torch.randn(2048, 2048).to(dtype), torch.randn(2048, 2048).to(dtype)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds)


def prepare(dump: str, model: str, directory: Path) -> Path:
    """Windows of 2048 tokens."""
    data = directory / "data"
    argv = ["data", "prepare", dump, "--model", model, "--template", "vicuna_v1.1", "--out", str(data)]
    subprocess.run([sys.executable, "-m", "chaku", *argv], check=True, stdout=subprocess.DEVNULL)
    return data


def windows_of(data: Path, steps: int) -> Windows:
    """The windows that Chaku takes in its first steps, in that order."""
    rows = pq.read_table(data / "train").to_pylist()
    order = Order(len(rows), seed=0, windows_per_step=1, windows_per_micro_batch=1)
    return [rows[window] for step in range(steps) for [window] in order.step(step, rank=0, world_size=1)]


def documents_of(windows: Windows) -> list[dict[str, list[int]]]:
    """Each document's ids and labels."""
    documents = []
    for window in windows:
        start = 0
        for length in window["document_lengths"]:
            part = slice(start, start + length)
            documents.append({"input_ids": window["input_ids"][part], "labels": window["labels"][part]})
            start += length
    return documents


def work_of(model: str, windows: Windows) -> Work:
    """Counts, and the FLOPs that forward and backward of these windows need at least."""
    config = AutoConfig.from_pretrained(model)
    heads = config.num_attention_heads * (config.head_dim or config.hidden_size // config.num_attention_heads)
    shared = config.num_key_value_heads / config.num_attention_heads
    attention = config.hidden_size * heads * (2 + 2 * shared)
    layer = attention + 3 * config.hidden_size * config.intermediate_size
    tokens = sum(len(window["input_ids"]) for window in windows)
    supervised = sum(label != -100 for window in windows for label in window["labels"])
    lengths = [length for window in windows for length in window["document_lengths"]]
    flops = (
        6 * layer * config.num_hidden_layers * tokens
        + 6 * config.hidden_size * config.vocab_size * supervised
        + 6 * heads * sum(length**2 for length in lengths) * config.num_hidden_layers
    )
    return Work(len(windows), len(lengths), tokens, supervised, flops)


def contenders(options: argparse.Namespace, directory: Path) -> tuple[list[Contender], Work]:
    """Who takes part, and with what."""
    data = prepare(options.dump, options.model, directory)
    windows = windows_of(data, options.steps)
    work, rows = work_of(options.model, windows), directory / "rows.jsonl"
    rows.write_text("\n".join(map(json.dumps, documents_of(windows))))
    found = []
    for dtype in options.types:
        for name, compiled in (("Chaku", False), ("Chaku, compiled", True)):
            out = directory / name / dtype
            argv = [
                *chaku(options.model, data, out, steps=options.steps, dtype=dtype, compiled=compiled),
                *options.chaku,
            ]
            found.append(Contender(name, dtype, argv, work.windows, out=out))
        peers = (("TRL, packed", "trl", work.windows), ("FastChat's way, padded", "padded", work.documents))
        for name, kind, steps in peers if options.trl else ():
            argv = [options.trl, str(PEERS), kind, options.model, str(rows), str(options.steps), dtype]
            found.append(Contender(name, dtype, argv, steps))
    return found, work


def chaku(model: str, data: Path, out: Path, *, steps: int, dtype: str, compiled: bool) -> list[str]:
    """Chaku's command, with a window a step."""
    values = {
        "model.path": model,
        "model.compute_dtype": dtype,
        "model.compile": compiled,
        "data.path": data,
        "out": out,
        "batch.windows_per_step": 1,
        "optimizer.lr": 1e-4,
        "schedule.max_steps": steps,
        "validation.windows": 0,
        "generation.max_tokens": 1,
        "checkpoint.every": 0,
    }
    return [sys.executable, "-m", "chaku", "train", *(f"--{name}={value}" for name, value in values.items())]


def show(found: Sequence[Contender], work: Work, rates: dict[str, float]) -> None:
    """Print the table."""
    table = Table(
        "contender", "computes in", "s/step", "supervised tokens/s", "tokens/s", "peak memory", "of the limit"
    )
    for one in found:
        table.add_row(
            one.name,
            one.dtype,
            f"{statistics.median(one.seconds):.2f}",
            f"{one.per_second(work.supervised_tokens):.1f}",
            f"{one.per_second(work.tokens):.0f}",
            f"{one.peak / 2**30:.2f} GiB",
            f"{one.per_second(work.flops) / rates[one.dtype]:.0%}",
        )
    console = Console(width=120)
    console.print(table)
    best = {one.name: one for one in sorted(found, key=pace, reverse=True)}
    ours = [one for one in best.values() if one.out]
    for peer in (one for one in best.values() if not one.out):
        for one in ours:
            speed, memory = pace(peer) / pace(one), one.peak / peer.peak
            console.print(
                f"best of each: {one.name}: {speed:.2f} x the speed, {memory:.2f} x the memory of {peer.name}"
            )
    for name, rate in rates.items():
        console.print(f"2048-cubed matrix product in {name}: {rate / 1e9:.0f} GFLOP/s")
    console.print(f"{work}; load: {os.getloadavg()}, torch {torch.__version__}")


def pace(one: Contender) -> float:
    """The seconds that all documents take."""
    return one.steps * statistics.median(one.seconds)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("model")
    parser.add_argument("--trl", metavar="PYTHON", help="Python of an environment with TRL")
    parser.add_argument("--types", nargs="+", choices=TYPES, default=list(TYPES))
    parser.add_argument("--steps", type=int, default=4, help="of each process, its first included")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--chaku", nargs=argparse.REMAINDER, default=[], help="more options for `chaku train`")
    options = parser.parse_args()
    rates = dict.fromkeys(options.types, 0.0)
    with tempfile.TemporaryDirectory() as directory:
        found, work = contenders(options, Path(directory))
        for _ in range(options.rounds):
            rates = {name: max(rate, matrix_rate(TYPES[name])) for name, rate in rates.items()}
            for one in found:
                one.run()
    show(found, work, rates)


if __name__ == "__main__":
    main()
