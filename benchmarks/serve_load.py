"""What the benchmarks of serving share: servers that end with a block, and a client that notes times."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from serve.engine import EngineOptions, engine_command
from serve.model_directory import look_at
from serve.prompt_check import check_prompts

PORTS = {"vLLM": 8961, "Chaku": 8962}


@dataclass
class Load:
    """What came of some requests: how long all took, and each one's times, in seconds."""

    seconds: float = 0.0
    tokens: int = 0
    firsts: list[float] = field(default_factory=list)
    a_token: list[float] = field(default_factory=list)


@contextmanager
def started(argv: Sequence[str], environment: dict[str, str], log: Path, ready: str) -> Iterator[None]:
    """A server, ready as soon as an address answers; it ends with the block."""
    with log.open("wb") as output, ExitStack() as stack:
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=subprocess.STDOUT)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        while process.poll() is None:
            try:
                urllib.request.urlopen(ready, timeout=2).close()  # noqa: S310 a server of ours
            except OSError:
                time.sleep(0.5)
            else:
                yield
                return
    sys.exit(f"{log.name}: the server ended before it was ready: {log.read_text()[-2000:]}")


@contextmanager
def both(model: str, work: Path) -> Iterator[None]:
    """Plain vLLM and Chaku's, with the same model and flags."""
    with ExitStack() as stack:
        for name, port in PORTS.items():
            argv, environment = command(model, name, port)
            ready = f"http://127.0.0.1:{port}/health"
            stack.enter_context(started(argv, environment, work / f"{name}.log", ready))
        yield


def command(model: str, name: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Chaku's command, or the same without what Chaku adds."""
    served = look_at(model)
    options = EngineOptions(host="127.0.0.1", port=port)
    settings = replace(options.settings, access_log=os.devnull)
    prompts = check_prompts(served, ignore_fingerprint=True)
    made = engine_command(served, prompts=prompts, options=replace(options, settings=settings))
    if name == "Chaku":
        return made.argv, made.environment
    added = ("--middleware", "--tokenizer-mode")
    drop = {at + step for at, word in enumerate(made.argv) if word in added for step in (0, 1)}
    return [word for at, word in enumerate(made.argv) if at not in drop], made.environment


def client() -> httpx.AsyncClient:
    """A client with as many connections as it takes."""
    return httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None))


async def ask(http: httpx.AsyncClient, port: int, body: dict[str, Any], tokens: int, load: Load) -> str:
    """One reply, streamed, of so many tokens; its times go on record."""
    body = {**body, "max_tokens": tokens, "stream": True, "temperature": 0, "ignore_eos": True}
    began, first, text = time.perf_counter(), 0.0, ""
    async with http.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            piece = "".join(choice["delta"].get("content") or "" for choice in json.loads(line[6:])["choices"])
            if piece and not first:
                first = time.perf_counter() - began
            text += piece
    load.tokens += tokens
    load.firsts.append(first)
    load.a_token.append((time.perf_counter() - began - first) / (tokens - 1))
    return text


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` percent do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]
