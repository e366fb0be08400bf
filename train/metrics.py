"""What a run shows and keeps: a progress bar (or plain lines), metrics.jsonl, and TensorBoard's events."""

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

SECONDS_BETWEEN_LINES = 10.0


class Metrics:
    """The figures of each step, as they come. Only the first rank has one.

    A line of `metrics.jsonl` has the step and figures by name: ``{"step": 12, "loss": 1.31, "learning_rate": 9e-05}``.
    """

    def __init__(self, directory: Path, *, first_step: int, steps: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "metrics.jsonl"
        _forget_from(path, first_step)
        self._stack = ExitStack()
        self._lines = self._stack.enter_context(path.open("a", encoding="utf-8"))
        self._board = SummaryWriter(str(directory / "tensorboard"), purge_step=first_step + 1)
        self._stack.callback(self._board.close)
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._stack.enter_context(self._bar)
        self._task = self._bar.add_task("", total=steps, completed=first_step, figures="")
        self._steps, self._next_line = steps, 0.0

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

    def show_step(self, step: int, figures: dict[str, float]) -> None:
        """Keep a training step's figures, and move the bar."""
        self.record(step, figures)
        loss, rate, speed = (figures[name] for name in ("loss", "learning_rate", "tokens_per_second"))
        text = f"loss {loss:.4f}  lr {rate:.2e}  {speed:,.0f} tokens/s"
        self._bar.update(self._task, completed=step, figures=text)
        now = time.monotonic()
        if self._bar.disable and (now >= self._next_line or step == self._steps):
            self._next_line = now + SECONDS_BETWEEN_LINES
            self.say(f"step {step}/{self._steps}  {text}")

    def say(self, line: str) -> None:
        """A line for the person who watches."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def say(line: str) -> None:
    """A line on stderr, outside of a run's progress bar."""
    print(f"chaku: {line}", file=sys.stderr, flush=True)


def _forget_from(path: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run takes again."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        path.write_text("".join(kept if step else []), encoding="utf-8")
