"""Encoding with loss masks against tokenising alone, on the same conversations and cores.

    python benchmarks/encode.py DUMP.json MODEL_DIR [MODEL_DIR ...]

Rows: the `tokenizers` library's `encode_batch_fast` alone on the rendered texts (the goal: no more time than this),
ours with masks, and plain transformers' `apply_chat_template` with an assistant mask. FastChat's `preprocess` runs in
an environment of its own (transformers 4.37): give its Python with --fastchat. Every figure is the median of the runs;
the first encoding of a tokenizer, in which the fast engine proves itself, is a column of its own.
"""

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer, PreTrainedTokenizerBase

import templates
from templates import Encoder, MessageDict

ROLES = {"human": "user", "gpt": "assistant", "system": "system"}
# The same format with transformers' own markers around what the assistant says.
GENERATION = (
    "{{ bos_token }}A chat between a curious user and an artificial intelligence assistant. "
    "{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }} {% else %}ASSISTANT:"
    "{% generation %} {{ m.content }}{{ eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
)
FASTCHAT = """
import json, sys, time, statistics
from transformers import AutoTokenizer
from fastchat.train.train import preprocess
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2], use_fast=False, legacy=True)
tokenizer.model_max_length, tokenizer.pad_token = 2048, tokenizer.unk_token
sources = json.load(open(sys.argv[1]))
seconds = []
for _ in range(int(sys.argv[3])):
    started = time.perf_counter()
    preprocess([source for source in sources], tokenizer)
    seconds.append(time.perf_counter() - started)
print(statistics.median(seconds))
"""


def main() -> None:
    """Print a table: seconds and ratio to tokenising alone, a row a tokenizer and a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, help="a ShareGPT dump in markdown")
    parser.add_argument("models", nargs="+", help="directories with a tokenizer")
    parser.add_argument("--runs", type=int, default=5, help="runs of each way; the median is shown (default: 5)")
    parser.add_argument(
        "--fastchat", metavar="PYTHON", help="Python of an environment with fschat and transformers 4.37"
    )
    args = parser.parse_args()
    conversations = read(args.dump)
    table = Table(
        "tokenizer",
        "way",
        "first (s)",
        "median (s)",
        "of tokenising alone",
        title=f"{len(conversations)} conversations",
    )
    for model in args.models:
        for way, first, median, ratio in measure(Path(model), conversations, args.runs, args.fastchat):
            table.add_row(Path(model).name, way, f"{first:.3f}", f"{median:.3f}", f"{ratio:.2f}")
    Console().print(table)


def read(dump: Path) -> list[list[MessageDict]]:
    """Conversations that begin with a user and alternate."""
    conversations = []
    for record in json.loads(dump.read_text(encoding="utf-8")):
        turns = [MessageDict(role=ROLES[turn["from"]], content=turn["value"]) for turn in record["conversations"]]
        while turns and turns[0]["role"] != "user":
            turns.pop(0)
        if turns and all(turn["role"] == ("user", "assistant")[at % 2] for at, turn in enumerate(turns)):
            conversations.append(turns)
    return conversations


def measure(
    model: Path, conversations: list[list[MessageDict]], runs: int, fastchat: str | None
) -> list[tuple[str, float, float, float]]:
    """(way, first run, median, ratio of the medians to tokenising alone), each in seconds."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    encoder = Encoder(templates.load("vicuna_v1.1"), tokenizer)
    texts = [encoder.render(conversation) for conversation in conversations]
    ways: dict[str, Callable[[], object]] = {
        "encode_batch_fast alone": lambda: tokenizer.backend_tokenizer.encode_batch_fast(
            texts, add_special_tokens=False
        ),
        "Chaku, with masks": lambda: encoder.encode(conversations),
        "apply_chat_template, with masks": lambda: apply_chat_template(tokenizer, conversations),
    }
    seconds = {way: timed(run, runs) for way, run in ways.items()}
    if fastchat and (model / "tokenizer.model").is_file():
        seconds["FastChat preprocess"] = [run_fastchat(fastchat, model, conversations, runs)]
    alone = statistics.median(seconds["encode_batch_fast alone"])
    return [
        (way, times[0], statistics.median(times), statistics.median(times) / alone) for way, times in seconds.items()
    ]


def apply_chat_template(tokenizer: PreTrainedTokenizerBase, conversations: list[list[MessageDict]]) -> object:
    """Transformers' own way to ids and masks, batched."""
    return tokenizer.apply_chat_template(
        conversations, chat_template=GENERATION, return_dict=True, return_assistant_tokens_mask=True
    )


def timed(run: Callable[[], object], runs: int) -> list[float]:
    """Seconds of each run."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return seconds


def run_fastchat(python: str, model: Path, conversations: list[list[MessageDict]], runs: int) -> float:
    """FastChat's preprocess, in its own environment; the median in seconds."""
    spelled = {"user": "human", "assistant": "gpt"}
    sources = [[{"from": spelled[turn["role"]], "value": turn["content"]} for turn in turns] for turns in conversations]
    dump = Path("/tmp/chaku-benchmark-fastchat.json")  # noqa: S108 a benchmark's own file
    dump.write_text(json.dumps(sources), encoding="utf-8")
    done = subprocess.run([python, "-c", FASTCHAT, dump, model, str(runs)], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
