"""Real conversations, turn by turn, on plain vLLM, on Chaku's server and on FastChat's, in turns within one run.

    python benchmarks/serve_conversations.py MODEL_DIR sharegpt_508.json --fastchat FASTCHAT_PYTHON

Each turn of a user is asked with the replies so far, so that the context grows, after a pause for thought that depends
on the turn alone. FastChat runs from its own environment (fschat 0.2.36 needs transformers 4.37): controller, worker
and API server, on the same weights, with the files around them written as that transformers reads them. FastChat's
worker has no engine: it answers at most five requests at once, each in a thread, in float32, all it has for a CPU.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table
from serve_load import PORTS, Load, ask, both, client, percentile, started

from data_tools.cleaning import read_conversations

FASTCHAT, CONTROLLER, WORKER = 8963, 8964, 8965
# A turn is served well within these seconds, to the first content and for each token after it.
GOOD_FIRST, GOOD_TOKEN = 2.0, 0.1
REPLY_TOKENS = 24


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model directory")
    parser.add_argument("dump", type=Path, help="a ShareGPT dump")
    parser.add_argument("--fastchat", metavar="PYTHON", help="the Python of an environment with fschat[model_worker]")
    parser.add_argument("--conversations", type=int, default=4, help="conversations at once")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is asked")
    args = parser.parse_args()
    asked = user_turns(args.dump, args.conversations * args.rounds)
    ports = PORTS | ({"FastChat": FASTCHAT} if args.fastchat else {})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        stack.enter_context(both(args.model, work))
        if args.fastchat:
            stack.enter_context(fastchat(args.fastchat, Path(args.model), work))
        for port in ports.values():
            asyncio.run(talk_all(port, [["Hello"]]))
        Console(width=110).print(measured(ports, asked, args.conversations))


def measured(ports: dict[str, int], asked: Sequence[Sequence[str]], count: int) -> Table:
    """So many conversations at once on each server, in turns."""
    loads = {name: Load() for name in ports}
    before = {name: prefix_counts(ports[name]) for name in PORTS}
    for at in range(0, len(asked), count):
        for name in list(ports)[:: 1 if at // count % 2 == 0 else -1]:
            load = asyncio.run(talk_all(ports[name], asked[at : at + count]))
            loads[name].seconds += load.seconds
            loads[name].firsts += load.firsts
            loads[name].a_token += load.a_token
    table = Table("server", "turns", "first p50", "first p99", "a token p50", "a token p99", "prefix hits", "goodput")
    for name, load in loads.items():
        hits = "none"
        if name in PORTS:
            queried, found = (now - then for now, then in zip(prefix_counts(ports[name]), before[name], strict=True))
            hits = f"{found / max(1, queried):.2f}"
        good = sum(f < GOOD_FIRST and t < GOOD_TOKEN for f, t in zip(load.firsts, load.a_token, strict=True))
        times = [f"{1000 * pick:.0f} ms" for of in (load.firsts, load.a_token) for pick in middle_and_tail(of)]
        table.add_row(name, str(len(load.firsts)), *times, hits, f"{good / load.seconds:.2f} turns/s")
    return table


def middle_and_tail(values: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    return statistics.median(values), percentile(values, 99)


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
    load, began = Load(), time.perf_counter()
    async with client() as http:
        model = (await http.get(f"http://127.0.0.1:{port}/v1/models")).json()["data"][0]["id"]
        await asyncio.gather(*(talk(http, port, model, turns, load) for turns in asked))
    load.seconds = time.perf_counter() - began
    return load


async def talk(http: httpx.AsyncClient, port: int, model: str, turns: Sequence[str], load: Load) -> None:
    """One conversation: each question after the replies so far, and a pause that depends on the question alone."""
    messages: list[dict[str, str]] = []
    for turn in turns:
        messages.append({"role": "user", "content": turn})
        reply = await ask(http, port, {"model": model, "messages": messages}, REPLY_TOKENS, load)
        messages.append({"role": "assistant", "content": reply})
        await asyncio.sleep(0.2 + len(turn) % 7 / 10)


def prefix_counts(port: int) -> tuple[float, float]:
    """Tokens that were looked up in the prefix cache, and those found there."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    names = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
    queries, hits = (next(float(line.split()[-1]) for line in lines if line.startswith(name)) for name in names)
    return queries, hits


@contextmanager
def fastchat(python: str, model: Path, work: Path) -> Iterator[None]:
    """FastChat's three processes, ready."""
    # FastChat chooses vicuna_v1.1 by the directory's name.
    directory = for_old_transformers(model, work / "vicuna")
    controller, worker = (f"http://127.0.0.1:{port}" for port in (CONTROLLER, WORKER))
    device = ["--device", "cpu", "--model-path", str(directory), "--worker-address", worker]
    starts = {
        "controller": (CONTROLLER, [], f"{controller}/docs"),
        "model_worker": (WORKER, [*device, "--controller-address", controller], f"{worker}/docs"),
        "openai_api_server": (FASTCHAT, ["--controller-address", controller], f"http://127.0.0.1:{FASTCHAT}/v1/models"),
    }
    with ExitStack() as stack:
        for name, (port, options, ready) in starts.items():
            argv = [python, "-m", f"fastchat.serve.{name}", "--host", "127.0.0.1", "--port", str(port), *options]
            environment = {**os.environ, "LOGDIR": str(work)}
            stack.enter_context(started(argv, environment, work / f"{name}.log", ready))
        yield


def for_old_transformers(model: Path, directory: Path) -> Path:
    """A directory with the same weights whose other files transformers 4.37 reads."""
    directory.mkdir()
    (directory / "model.safetensors").symlink_to((model / "model.safetensors").resolve())
    config, settings, tokenizer = (
        json.loads((model / name).read_text(encoding="utf-8"))
        for name in ("config.json", "tokenizer_config.json", "tokenizer.json")
    )
    config |= {"rope_theta": config["rope_parameters"]["rope_theta"], "torch_dtype": config["dtype"]}
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    tokenizer["model"]["merges"] = [" ".join(pair) for pair in tokenizer["model"]["merges"]]
    for name, content in (
        ("config.json", config),
        ("tokenizer_config.json", settings),
        ("tokenizer.json", tokenizer),
    ):
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    return directory


if __name__ == "__main__":
    main()
