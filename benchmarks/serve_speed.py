"""Chaku's server beside plain vLLM: the same model, flags and requests, in turns within one run.

    python benchmarks/serve_speed.py MODEL_DIR dump.json --streams 1 8 32 64

Both servers are up at once and asked in turns, so that what else the machine does hits both. Rows of the first table:
streams at once, tokens a second of each, their ratio, and the difference of their times to the first content. The
second is a load of real conversations from the dump: every turn is asked with the replies so far, after a pause for
thought. The last line is what the middleware alone adds, measured around an application that answers at once.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from data_tools.cleaning import read_conversations
from serve.engine import EngineOptions, engine_command
from serve.model_directory import look_at
from serve.prompt_check import check_prompts

PORTS = {"vLLM": 8961, "Chaku": 8962}
WORDS = ("mountain", "weather", "llama", "herd", "river", "snow", "village", "wool", "path", "stone", "cloud", "night")
# A turn is served well within these.
GOOD_FIRST, GOOD_TOKEN = 2.0, 0.1


@dataclass
class Load:
    """Times of requests, in seconds, and how many tokens came."""

    seconds: float = 0.0
    tokens: int = 0
    firsts: list[float] = field(default_factory=list)
    a_token: list[float] = field(default_factory=list)

    def add(self, other: "Load") -> None:
        """Count another round in."""
        self.seconds, self.tokens = self.seconds + other.seconds, self.tokens + other.tokens
        self.firsts += other.firsts
        self.a_token += other.a_token


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model directory")
    parser.add_argument("dump", type=Path, help="a ShareGPT dump, for the load of real conversations")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 64], help="requests at once")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is asked")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of each reply")
    parser.add_argument("--conversations", type=int, default=8, help="conversations at once in the second load")
    args = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as work, servers(args.model, Path(work)):
        for port in PORTS.values():
            asyncio.run(round_of(port, 4, args.tokens, seed="warm"))
        console.print(throughput(args.streams, args.rounds, args.tokens))
        console.print(conversations(args.dump, args.conversations, args.rounds))
    console.print(f"the middleware alone: {added_microseconds():.0f} microseconds a request, 32 events in its stream")


@contextmanager
def servers(model: str, work: Path) -> Iterator[None]:
    """Both servers, ready; they end with the block."""
    with ExitStack() as stack:
        for name, port in PORTS.items():
            argv, environment = command(model, name, port)
            log = stack.enter_context((work / f"{name}.log").open("wb"))
            process = subprocess.Popen(argv, env=environment, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_for(port, process)
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


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until a server answers."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    sys.exit("the server ended before it was ready")


def throughput(streams: Sequence[int], rounds: int, tokens: int) -> Table:
    """Tokens a second of both at so many streams, and the time to the first content."""
    table = Table(
        "streams", "vLLM tok/s", "Chaku tok/s", "ratio", "first, vLLM", "first, Chaku", "p50 added", "p99 added"
    )
    for count in streams:
        loads = {name: Load() for name in PORTS}
        for turn in range(rounds):
            for name in (list(PORTS), list(PORTS)[::-1])[turn % 2]:
                loads[name].add(asyncio.run(round_of(PORTS[name], count, tokens, seed=f"{count}-{turn}")))
        plain, ours = loads["vLLM"], loads["Chaku"]
        speeds = plain.tokens / plain.seconds, ours.tokens / ours.seconds
        medians = [statistics.median(load.firsts) for load in (plain, ours)]
        tails = [percentile(load.firsts, 99) for load in (plain, ours)]
        shown = [f"{count}", *(f"{speed:.0f}" for speed in speeds), f"{speeds[1] / speeds[0]:.3f}"]
        shown += [f"{1000 * median:.0f} ms" for median in medians]
        table.add_row(*shown, *(f"{1000 * (pair[1] - pair[0]):+.1f} ms" for pair in (medians, tails)))
    return table


async def round_of(port: int, count: int, tokens: int, *, seed: str) -> Load:
    """So many requests at once; each server gets the same texts, none of which was sent before."""
    chosen = random.Random(seed)  # noqa: S311 no secret
    texts = [" ".join(chosen.choices(WORDS, k=40)) for _ in range(count)]
    async with httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None)) as client:
        started, load = time.perf_counter(), Load()
        asked = [ask(client, port, [{"role": "user", "content": text}], tokens, load) for text in texts]
        await asyncio.gather(*asked)
        load.seconds = time.perf_counter() - started
    return load


async def ask(client: httpx.AsyncClient, port: int, messages: list[dict[str, str]], tokens: int, load: Load) -> str:
    """One reply, streamed, of exactly so many tokens; its times go on record."""
    body = {"messages": messages, "max_tokens": tokens, "stream": True, "temperature": 0, "ignore_eos": True}
    started, first, text = time.perf_counter(), 0.0, ""
    async with client.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            piece = json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
            if piece and not first:
                first = time.perf_counter() - started
            text += piece
    load.tokens += tokens
    load.firsts.append(first)
    load.a_token.append((time.perf_counter() - started - first) / (tokens - 1))
    return text


def conversations(dump: Path, count: int, rounds: int) -> Table:
    """Real conversations, turn by turn: the context grows, and people think before they answer."""
    table = Table("server", "turns", "first p50", "first p99", "a token p50", "prefix hits", "goodput")
    asked = user_turns(dump, count * rounds)
    loads = {name: Load() for name in PORTS}
    before = {name: prefix_counts(port) for name, port in PORTS.items()}
    for turn in range(rounds):
        for name in (list(PORTS), list(PORTS)[::-1])[turn % 2]:
            part = asked[turn * count : (turn + 1) * count]
            loads[name].add(asyncio.run(talk_all(PORTS[name], part)))
    for name, load in loads.items():
        queries, hits = (now - then for now, then in zip(prefix_counts(PORTS[name]), before[name], strict=True))
        good = sum(f < GOOD_FIRST and t < GOOD_TOKEN for f, t in zip(load.firsts, load.a_token, strict=True))
        table.add_row(
            name,
            str(len(load.firsts)),
            f"{1000 * statistics.median(load.firsts):.0f} ms",
            f"{1000 * percentile(load.firsts, 99):.0f} ms",
            f"{1000 * statistics.median(load.a_token):.0f} ms",
            f"{hits / max(1, queries):.2f}",
            f"{good / load.seconds:.2f} turns/s",
        )
    return table


def user_turns(dump: Path, count: int) -> list[list[str]]:
    """What users say in the first conversations with three turns or more, shortened to what a small context holds."""
    found = []
    for conversation in read_conversations(dump, limit=20 * count):
        turns = [message.content[:600] for message in conversation.messages if message.role == "user"][:4]
        if len(turns) >= 3:
            found.append(turns)
        if len(found) == count:
            return found
    sys.exit(f"{dump}: fewer than {count} conversations with three turns; ask for fewer")


async def talk_all(port: int, asked: Sequence[Sequence[str]]) -> Load:
    """All conversations at once."""
    load, started = Load(), time.perf_counter()
    async with httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None)) as client:
        await asyncio.gather(*(talk(client, port, turns, load) for turns in asked))
    load.seconds = time.perf_counter() - started
    return load


async def talk(client: httpx.AsyncClient, port: int, turns: Sequence[str], load: Load) -> None:
    """One conversation: each question after the replies so far, and a pause that depends on the question alone."""
    messages: list[dict[str, str]] = []
    for turn in turns:
        messages.append({"role": "user", "content": turn})
        messages.append({"role": "assistant", "content": await ask(client, port, messages, 24, load)})
        await asyncio.sleep(0.2 + len(turn) % 7 / 10)


def prefix_counts(port: int) -> tuple[float, float]:
    """Tokens that were looked up in the prefix cache, and those found there."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    names = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
    queries, hits = (next(float(line.split()[-1]) for line in lines if line.startswith(name)) for name in names)
    return queries, hits


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` percent do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


def added_microseconds(requests: int = 2000) -> float:
    """What all of the middleware adds to a request with a stream of 32 events."""
    from serve.middleware import wrapped

    def seconds(app: Any) -> float:  # noqa: ANN401 an ASGI application
        started = time.perf_counter()
        asyncio.run(call_often(app, requests))
        return time.perf_counter() - started

    rounds = [(seconds(wrapped(instant)) - seconds(instant)) / requests for _ in range(5)]
    return statistics.median(rounds) * 1e6


async def instant(_: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 ASGI's own types
    """An application that answers at once."""
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(32):
        await send({"type": "http.response.body", "body": b"data: {}\n\n", "more_body": True})
    await send({"type": "http.response.body"})


async def call_often(app: Any, times: int) -> None:  # noqa: ANN401 an ASGI application
    """The same request, again and again."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 300}], "stream": True}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(_: dict[str, Any]) -> None:
        return None

    for _ in range(times):
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        await app(scope, receive, send)


if __name__ == "__main__":
    main()
