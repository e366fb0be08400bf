"""What `chaku data synthesize` reaches of a bare async client with the same prompts at the same concurrency.

    python benchmarks/synthesize.py --base-url http://127.0.0.1:8000/v1 --requests 120 --concurrency 16

First the method runs into a new store; then the requests of that store are sent by an httpx client that does nothing
else; then both again in the other order. Completion tokens a second are compared, since replies differ in length.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from pathlib import Path

import httpx

from data_tools.synthesize.budget import Limit
from data_tools.synthesize.job import METHODS, Options, synthesize
from data_tools.synthesize.run import Overrides


def main() -> None:
    """Measure in the order ours, bare, bare, ours, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--method", choices=METHODS, default="alpaca")
    parser.add_argument("--requests", type=int, default=120)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=96)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first = ours(arguments, Path(folder) / "first")
        bodies = sent(Path(folder) / "first")
        bare = [asyncio.run(alone(arguments, bodies)) for _ in range(2)]
        second = ours(arguments, Path(folder) / "second")
    rates = {"synthesize": (first, second), "bare client": tuple(bare)}
    for name, both in rates.items():
        print(f"{name}: {both[0]:.1f} and {both[1]:.1f} completion tokens a second")
    print(f"ratio: {sum(rates['synthesize']) / sum(rates['bare client']):.3f}")


def ours(arguments: argparse.Namespace, out: Path) -> float:
    """Completion tokens a second of a run; the whole run counts, also its filters and its files."""
    begun = time.monotonic()
    summary = synthesize(
        Options(
            method=arguments.method,
            out=out,
            target=1_000_000,
            base_url=arguments.base_url,
            budget=Limit(arguments.requests, "requests"),
            concurrency=arguments.concurrency,
            overrides=Overrides(max_tokens=arguments.max_tokens),
        )
    )
    return summary.sums.completion_tokens / (time.monotonic() - begun)


def sent(out: Path) -> list[dict[str, object]]:
    """The bodies of all requests of a store, in the order of their attempts."""
    database = sqlite3.connect(out / "store.sqlite")
    rows = database.execute("select body from requests join attempts using (key) order by id").fetchall()
    return [json.loads(body) for (body,) in rows]


async def alone(arguments: argparse.Namespace, bodies: list[dict[str, object]]) -> float:
    """Completion tokens a second of a client that only asks."""
    places = asyncio.Semaphore(arguments.concurrency)
    async with httpx.AsyncClient(base_url=arguments.base_url, timeout=900) as client:

        async def ask(body: dict[str, object]) -> int:
            async with places:
                response = await client.post("chat/completions", json=body)
            return int(response.json()["usage"]["completion_tokens"])

        begun = time.monotonic()
        tokens = await asyncio.gather(*map(ask, bodies))
        return sum(tokens) / (time.monotonic() - begun)


if __name__ == "__main__":
    main()
