"""Attention over a packed window on a CPU: our two operators, against a call of PyTorch's attention for each document.

    python benchmarks/attention.py

SmolLM2-135M's shape (9 heads, 3 key heads of 64), 2,048 tokens in documents of one length, forward and backward. The
ways take turns; the figure is the median.
"""

import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from train.attention import VarlenKernel, sdpa_varlen
from train.block_attention import block_varlen
from train.cpu_attention import cpu_varlen

HEADS, KEY_HEADS, SIZE, WINDOW, ROUNDS = 9, 3, 64, 2048, 9
KERNELS = {"a call for each": sdpa_varlen, "flash kernel": cpu_varlen, "blocks of queries": block_varlen}


def seconds(kernel: VarlenKernel, length: int, dtype: torch.dtype) -> float:
    """One forward and backward pass."""
    states = [torch.randn(heads, WINDOW, SIZE).to(dtype).transpose(0, 1) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
    ends = torch.arange(0, WINDOW + 1, length, dtype=torch.int32)
    q, k, v = (part.requires_grad_() for part in states)
    started = time.perf_counter()
    kernel(q, k, v, ends, ends, length, length, softmax_scale=SIZE**-0.5, causal=True).sum().backward()
    return time.perf_counter() - started


def main() -> None:
    """Measure, and print the table."""
    table = Table("documents of", "type", *KERNELS)
    for length in (32, 128, 256, 512, 1024, 2048):
        for dtype in (torch.float32, torch.bfloat16):
            taken: dict[str, list[float]] = {name: [] for name in KERNELS}
            for _ in range(ROUNDS):
                for name, kernel in KERNELS.items():
                    taken[name].append(seconds(kernel, length, dtype))
            name = str(dtype).removeprefix("torch.")
            times = [f"{1e3 * statistics.median(each):.1f} ms" for each in taken.values()]
            table.add_row(f"{length} tokens", name, *times)
    Console().print(table)


if __name__ == "__main__":
    main()
