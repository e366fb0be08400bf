"""Attention on a CPU with shared key heads: repeating them before the product, against PyTorch's `enable_gqa`.

    python benchmarks/attention.py

SmolLM2-135M's shape (9 heads, 3 key heads of 64), one document, forward and backward. Both orders alternate; the figure
is the median.
"""

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

HEADS, KEY_HEADS, SIZE, ROUNDS = 9, 3, 64, 15


def shared(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's own sharing of key heads."""
    return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def repeated(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Key heads repeated first, as `train.attention` does."""
    times = HEADS // KEY_HEADS
    k, v = k.repeat_interleave(times, dim=1), v.repeat_interleave(times, dim=1)
    return scaled_dot_product_attention(q, k, v, is_causal=True)


def seconds(function: Callable[[Tensor, Tensor, Tensor], Tensor], length: int, dtype: torch.dtype) -> float:
    """One forward and backward pass."""
    q, k, v = (
        torch.randn(1, heads, length, SIZE, dtype=dtype, requires_grad=True) for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    )
    started = time.perf_counter()
    function(q, k, v).sum().backward()
    return time.perf_counter() - started


def main() -> None:
    """Measure, and print the table."""
    table = Table("tokens", "type", "enable_gqa", "repeated", "of it")
    for length in (256, 512, 2048):
        for dtype in (torch.float32, torch.bfloat16):
            taken: dict[str, list[float]] = {"shared": [], "repeated": []}
            for _ in range(ROUNDS):
                for function in (shared, repeated):
                    taken[function.__name__].append(seconds(function, length, dtype))
            first, second = (statistics.median(taken[name]) for name in ("shared", "repeated"))
            name = str(dtype).removeprefix("torch.")
            table.add_row(str(length), name, f"{1e3 * first:.1f} ms", f"{1e3 * second:.1f} ms", f"{second / first:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
