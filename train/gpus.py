"""GPUs by name: what their data sheets promise, and which share of it a training run can expect."""

import re
from dataclasses import dataclass

from templates.errors import InputError


@dataclass(frozen=True)
class Gpu:
    """A GPU's data sheet: dense bfloat16 TFLOP/s with float32 accumulation, and memory in GB.

    `pattern` is found in the name that CUDA reports. Drivers show a little more than the round number of the sheet
    (85.1e9 bytes on an A100 of "80 GB"), and what CUDA and NCCL keep for themselves takes about as much.
    """

    pattern: str
    tflops: float
    gigabytes: float


# The first whose pattern fits counts, so the longer names stand first. Where a maker's sheet shows a figure "with
# sparsity" (NVIDIA's H100, H200, B200, L4 and Ada cards), half of it stands here: training multiplies dense matrices.
GPUS = {
    "b200": Gpu(r"B200", 2250, 180),
    "h200-nvl": Gpu(r"H200 NVL", 835, 141),
    "h200": Gpu(r"H200", 989, 141),
    "h100-pcie": Gpu(r"H100 PCIe", 756, 80),
    "h100-nvl": Gpu(r"H100 NVL", 835, 94),
    "h100": Gpu(r"H100", 989, 80),
    "a100-40gb": Gpu(r"A100.*40GB", 312, 40),
    "a100-80gb": Gpu(r"A100", 312, 80),
    "a40": Gpu(r"A40\b", 150, 48),
    "a10g": Gpu(r"A10G", 70, 24),
    "a10": Gpu(r"A10\b", 125, 24),
    "rtx-a6000": Gpu(r"A6000", 155, 48),
    "l40s": Gpu(r"L40S", 362, 48),
    "l40": Gpu(r"L40\b", 181, 48),
    "l4": Gpu(r"L4\b", 121, 24),
    "rtx-6000-ada": Gpu(r"RTX 6000 Ada", 364, 48),
    "rtx-5090": Gpu(r"RTX 5090", 209, 32),
    "rtx-4090": Gpu(r"RTX 4090", 165, 24),
    "rtx-3090": Gpu(r"RTX 3090", 71, 24),
    "mi300x": Gpu(r"MI300X", 1307, 192),
}

# torchtitan's docs/performance.md, with FSDP2 as here: 64 A100 reach 61% on a Llama of 13B without recomputation and
# 50.5 to 58% with it, 8 H100 33% on one of 8B (39% compiled).
_TORCHTITAN = "torchtitan's runs with FSDP2 on {}"
_PUBLISHED = {"a100": (0.50, _TORCHTITAN.format("64 A100")), "h100": (0.33, _TORCHTITAN.format("8 H100"))}
_GUESSED = (0.35, "a guess: no published run with FSDP2 is known for this GPU")


def gpu_named(name: str) -> Gpu:
    """A GPU by the name of the table above. Raises InputError that lists the names.

    >>> gpu_named("a100-80gb").tflops
    312
    """
    if name not in GPUS:
        raise InputError(f"--gpu {name}: not known; give one of {', '.join(GPUS)}, or cpu for this machine")
    return GPUS[name]


def reported_as(name: str) -> Gpu | None:
    """The GPU that CUDA reports under this name, such as ``NVIDIA A100-SXM4-80GB``, if it is a known one."""
    return next((gpu for gpu in GPUS.values() if re.search(gpu.pattern, name)), None)


def expected_utilisation(name: str) -> tuple[float, str]:
    """The share of a GPU's peak that model FLOPs (MFU) can be expected to take, and who measured that."""
    return _PUBLISHED.get(name.split("-", maxsplit=1)[0], _GUESSED)
