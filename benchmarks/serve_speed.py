"""Chaku's server beside plain vLLM: the same model, flags and requests, in turns within one run.

    python benchmarks/serve_speed.py MODEL_DIR --streams 1 8 32 64

Both servers are up at once and asked one after the other, the first of them changing from round to round, so that what
else the machine does hits both. First table: tokens a second (median of the rounds), their ratio, and the median time
to the first content. Second: the way to the engine alone, by `/tokenize`, which is parsed, checked and rendered as a
chat is, and answered without the engine: 32 clients that ask again and again, after short random pauses. Last: what
the middleware alone adds, around an application that answers at once.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from serve_load import PORTS, Load, ask, both, client, percentile

WORDS = ("mountain", "weather", "llama", "herd", "river", "snow", "village", "wool", "path", "stone", "cloud", "night")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model directory")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 64], help="requests at once")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of each reply")
    args = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as work, both(args.model, Path(work)):
        for port in PORTS.values():
            asyncio.run(round_of(port, 4, args.tokens, seed="warm"))
        console.print(to_the_engine(rounds=6))
        for count in args.streams:
            console.print(throughput(count, args.rounds, args.tokens))
    console.print(f"the middleware alone: {added_microseconds():.0f} microseconds a request, 32 events in its stream")


def order(turn: int) -> list[str]:
    """Whose turn it is: each begins every other round."""
    return (list(PORTS), list(PORTS)[::-1])[turn % 2]


def throughput(count: int, rounds: int, tokens: int) -> Table:
    """Tokens a second of both at so many streams, and the time to the first content."""
    loads: dict[str, list[Load]] = {name: [] for name in PORTS}
    for turn in range(rounds):
        for name in order(turn):
            loads[name].append(asyncio.run(round_of(PORTS[name], count, tokens, seed=f"{count}-{turn}")))
    speeds = {name: [load.tokens / load.seconds for load in of] for name, of in loads.items()}
    medians = [statistics.median(speeds[name]) for name in PORTS]
    pairs = sorted(ours / plain for plain, ours in zip(speeds["vLLM"], speeds["Chaku"], strict=True))
    firsts = [1000 * statistics.median(first for load in loads[name] for first in load.firsts) for name in PORTS]
    table = Table("streams", "vLLM tok/s", "Chaku tok/s", "ratio", "of single rounds", "first, vLLM", "first, Chaku")
    shown = [f"{count}", *(f"{speed:.1f}" for speed in medians), f"{medians[1] / medians[0]:.3f}"]
    table.add_row(*shown, f"{pairs[0]:.2f} to {pairs[-1]:.2f}", *(f"{first:.0f} ms" for first in firsts))
    return table


async def round_of(port: int, count: int, tokens: int, *, seed: str) -> Load:
    """So many requests at once; each server gets the same texts, none of which was sent before."""
    chosen = random.Random(seed)  # noqa: S311 no secret
    texts = [" ".join(chosen.choices(WORDS, k=12)) for _ in range(count)]
    async with client() as http:
        started, load = time.perf_counter(), Load()
        bodies = [{"messages": [{"role": "user", "content": text}]} for text in texts]
        await asyncio.gather(*(ask(http, port, body, tokens, load) for body in bodies))
        load.seconds = time.perf_counter() - started
    return load


def to_the_engine(rounds: int, *, clients: int = 32) -> Table:
    """How long a chat is on its way before the engine sees it, with and without what Chaku adds."""
    times: dict[str, list[float]] = {name: [] for name in PORTS}
    for turn in range(rounds + 1):
        for name in order(turn):
            measured = asyncio.run(render_often(PORTS[name], clients, seed=turn))
            times[name] += measured if turn else []  # the first warms up
    table = Table("to the engine, 32 clients", "vLLM", "Chaku", "added")
    for share in (50, 99):
        plain, ours = (1000 * percentile(times[name], share) for name in PORTS)
        table.add_row(f"p{share}", f"{plain:.1f} ms", f"{ours:.1f} ms", f"{ours - plain:+.1f} ms")
    return table


async def render_often(port: int, clients: int, *, seed: int) -> list[float]:
    """Times of chats rendered by 32 clients, each of which asks ten times."""
    times: list[float] = []

    async def one(http: httpx.AsyncClient, number: int) -> None:
        chosen = random.Random(f"{seed}-{number}")  # noqa: S311 no secret
        for _ in range(10):
            await asyncio.sleep(chosen.uniform(0, 0.6))
            body = {"messages": [{"role": "user", "content": " ".join(chosen.choices(WORDS, k=200))}]}
            began = time.perf_counter()
            (await http.post(f"http://127.0.0.1:{port}/tokenize", json=body)).raise_for_status()
            times.append(time.perf_counter() - began)

    async with client() as http:
        await asyncio.gather(*(one(http, number) for number in range(clients)))
    return times


def added_microseconds(requests: int = 2000) -> float:
    """What all of the middleware adds to a request with a stream of 32 events."""
    from serve.middleware import wrapped

    def seconds(app: Any) -> float:  # noqa: ANN401 an ASGI application
        started = time.perf_counter()
        asyncio.run(call_often(app, requests))
        return time.perf_counter() - started

    rounds: Sequence[float] = [(seconds(wrapped(instant)) - seconds(instant)) / requests for _ in range(5)]
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
