"""What a run shows and keeps: a progress bar (or plain lines), JSON Lines of figures and replies, TensorBoard."""

import json
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from torch.utils.tensorboard import SummaryWriter

from train.generate import Reply
from train.tracking import Tracker

METRICS, GENERATIONS = "metrics.jsonl", "generations.jsonl"
SECONDS_BETWEEN_LINES = 10.0


class Metrics:
    """The figures of each step, as they come. Only the first rank has one.

    A line of `metrics.jsonl` has the step and figures by name: ``{"step": 12, "loss": 1.31, "learning_rate": 9e-05}``,
    one of `generations.jsonl` a `Reply`: ``{"step": 12, "prompt": "Hi", "text": "Oh!", "tokens": 3, "stopped": true}``.
    """

    def __init__(self, directory: Path, *, first_step: int, steps: int, tracker: Tracker | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        for name in (METRICS, GENERATIONS):
            _forget_from(directory / name, first_step)
        self._lines = self._stack.enter_context((directory / METRICS).open("a", encoding="utf-8"))
        self._replies = self._stack.enter_context((directory / GENERATIONS).open("a", encoding="utf-8"))
        self._board = SummaryWriter(str(directory / "tensorboard"), purge_step=first_step + 1)
        self._stack.callback(self._board.close)
        self._tracker = tracker
        if tracker:
            self._stack.callback(tracker.close)
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            disable=not self._console.is_terminal,
            expand=True,
        )
        self._stack.enter_context(self._bar)
        self._task = self._bar.add_task("", total=steps, completed=first_step, figures="")
        self._first_step, self._steps, self._next_line = first_step, steps, 0.0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def record(self, step: int, figures: dict[str, float]) -> None:
        """Keep figures of a step (counted from 1; 0 is before the first)."""
        self._lines.write(json.dumps({"step": step, **figures}) + "\n")
        self._lines.flush()
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)
        if self._tracker:
            self._tracker.log(step, figures)

    def record_replies(self, step: int, replies: Sequence[Reply]) -> None:
        """Keep the replies to the fixed prompts after a step."""
        for reply in replies:
            self._replies.write(json.dumps({"step": step, **asdict(reply)}, ensure_ascii=False) + "\n")
            self._board.add_text(reply.prompt, reply.text, step)
        self._replies.flush()

    def show_step(self, step: int, figures: dict[str, float]) -> None:
        """Keep a training step's figures, and move the bar."""
        self.record(step, figures)
        now = time.monotonic()
        left = (now - self._started) / (step - self._first_step) * (self._steps - step)
        text = f"{in_words(figures)}  {timedelta(seconds=round(left))} left"
        self._bar.update(self._task, completed=step, figures=text)
        if self._bar.disable and (now >= self._next_line or step == self._steps):
            self._next_line = now + SECONDS_BETWEEN_LINES
            self.say(f"step {step}/{self._steps}  {text}")

    def say(self, line: str) -> None:
        """A line for the person who watches."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def in_words(figures: dict[str, float]) -> str:
    """A step's figures for the bar: ``loss 1.3682  lr 9.50e-05  352 tokens/s (176 supervised)  MFU 41%  5.7 GB``."""
    return (
        f"loss {figures['loss']:.4f}  lr {figures['learning_rate']:.2e}  {figures['tokens_per_second']:,.0f} tokens/s "
        f"({figures['supervised_tokens_per_second']:,.0f} supervised)  MFU {figures['mfu']:.0%}  "
        f"{figures['memory_bytes'] / 1e9:.1f} GB"
    )


def peak_memory(device: torch.device) -> int:
    """The most memory that this process has held so far, in bytes: on its GPU, or of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def say(line: str) -> None:
    """A line on stderr, outside of a run's progress bar."""
    print(f"chaku: {line}", file=sys.stderr, flush=True)


def whole_lines(path: Path) -> list[str]:
    """The lines of a file, without one that a kill or a full disk has cut; none where there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [line for line in lines if line.endswith("\n")]


def _forget_from(path: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run takes again."""
    kept = [line for line in whole_lines(path) if json.loads(line)["step"] <= step]
    path.write_text("".join(kept if step else []), encoding="utf-8")
