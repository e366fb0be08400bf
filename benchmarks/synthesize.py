"""What `chaku data synthesize` reaches of a bare async client with the same prompts at the same concurrency.

    python benchmarks/synthesize.py --base-url http://127.0.0.1:8000/v1 --requests 120 --concurrency 16 --pairs 4

The method runs into a new store; the requests of that store are sent by an httpx client that does nothing else; then
both again in the other order, and so on. Completion tokens a second are compared, since replies differ in length. One
run before, which is not counted, gives the requests and fills the server's prefix cache.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from data_tools.synthesize.budget import Limit
from data_tools.synthesize.job import METHODS, Options, synthesize
from data_tools.synthesize.run import Overrides


def main() -> None:
    """Measure in the order bare, ours, ours, bare and so on, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--method", choices=METHODS, default="alpaca")
    parser.add_argument("--requests", type=int, default=120)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--pairs", type=int, default=2)
    arguments = parser.parse_args()
    rates: dict[str, list[float]] = {"synthesize": [], "bare client": []}
    with tempfile.TemporaryDirectory() as folder:
        ours(arguments, Path(folder) / "first")
        bodies = sent(Path(folder) / "first")
        for pair in range(arguments.pairs):
            for name in list(rates)[:: 1 if pair % 2 else -1]:
                if name == "synthesize":
                    rates[name].append(ours(arguments, Path(folder) / str(pair)))
                else:
                    rates[name].append(asyncio.run(alone(arguments, bodies)))
                print(f"{name}: {rates[name][-1]:.1f} completion tokens a second", flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    pairs = ", ".join(f"{a / b:.3f}" for a, b in zip(*rates.values(), strict=True))
    print(
        f"medians: {medians}; their ratio: {medians['synthesize'] / medians['bare client']:.3f}; of the pairs: {pairs}"
    )


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
