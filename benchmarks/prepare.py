"""From a raw HTML dump to packed windows, against tokenising alone and against FastChat's clean, split and preprocess.

    python benchmarks/prepare.py sharegpt_508_as_html.json MODEL_DIR --fastchat-python fastchat-venv/bin/python

The dump is repeated with other ids and other words to 10,000 conversations, in a temporary folder. Rows: the
`tokenizers` library's `encode_batch_fast` on the very texts that the windows are made from (the goal: no more time than
this), `chaku data prepare` on the dump, near duplicates searched for, and FastChat on a part of the dump in an
environment of its own (transformers 4.37). Both begin with the dump on disk and end with windows in memory. Loading of
modules and tokenizers is in no row's seconds, and stands beside Chaku's. The processor time, which other work on the
machine disturbs less, is that of the whole command for Chaku, of tokenising alone for `encode_batch_fast`, and of the
three steps for FastChat.
"""

import argparse
import ctypes
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

TEMPLATE = "vicuna_v1.1"
_TAG = re.compile(r"(<[^>]*>)")
_WORD = re.compile(r"(?<![<&/\w=\"-])[a-z]{4,}(?![\w>=\"-])")
# What FastChat's own commands do, one after the other, each by its own function; one leaves its result to the next in a
# file, as they do.
FASTCHAT = """
import json, os, sys, time
from transformers import AutoTokenizer
from fastchat.data import clean_sharegpt, split_long_conversation
from fastchat.train.train import preprocess
dump, model, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model, use_fast=False, legacy=True)
tokenizer.model_max_length, tokenizer.pad_token = 2048, tokenizer.unk_token
def passed_on(content, name):
    json.dump(content, open(out + name, "w"), indent=2, ensure_ascii=False)
    return json.load(open(out + name))
def processor_time():  # its steps work in a pool of processes
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
started, before = time.perf_counter(), processor_time()
content = json.load(open(dump))
content = passed_on(clean_sharegpt.clean_html_all(content, 0, None), ".clean")
split_long_conversation.tokenizer, split_long_conversation.max_length = tokenizer, 2048
content = split_long_conversation.split_all(content, 0, None, tokenizer, 2048)
content = passed_on(split_long_conversation.filter_invalid_roles(content), ".split")
made = preprocess([one["conversations"] for one in content], tokenizer)
seconds, processor = time.perf_counter() - started, processor_time() - before
json.dump({"seconds": seconds, "processor": processor,
           "tokens": int(made["attention_mask"].sum()), "windows": len(content),
           "supervised": int((made["labels"] != -100).sum())}, open(out, "w"))
"""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, help="a ShareGPT dump with HTML replies")
    parser.add_argument("model", type=Path, help="a directory with the tokenizer for Chaku and encode_batch_fast")
    parser.add_argument(
        "--conversations", type=int, nargs="+", default=[10_000], help="sizes, for instance 10000 80000"
    )
    parser.add_argument("--near-duplicates", default="0.8", help="similarity from which copies are dropped (0.8)")
    parser.add_argument("--lang", help="measure the language filter apart too, for instance en,zh")
    parser.add_argument("--fastchat-python", help="Python of an environment with fschat and transformers 4.37")
    parser.add_argument("--fastchat-model", type=Path, help="a directory with the LLaMA tokenizer, for FastChat")
    parser.add_argument("--fastchat-conversations", type=int, default=500, help="how many FastChat is given (500)")
    parser.add_argument("--rounds", type=int, default=1, help="how often all is measured; the table has medians (1)")
    args = parser.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="chaku-benchmark-") as name:
        folder = Path(name)
        for count in {*args.conversations, args.fastchat_conversations}:
            write_varied(args.dump, folder / f"{count}.json", count)
        rounds = [measured(args, folder) for _ in range(args.rounds)]
    medians = [sorted(same, key=lambda row: row["seconds"])[len(same) // 2] for same in zip(*rounds, strict=True)]
    Console(width=160).print(as_table(medians))


def measured(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """The rows of one round."""
    rows: list[dict[str, Any]] = []
    for count in args.conversations:
        out = folder / f"out{count}"
        near = ["--near-duplicates", args.near_duplicates]
        rows.append(chaku(folder / f"{count}.json", args.model, out, count, filters=near))
        rows.append(alone(out, args.model, count))
        if args.lang:
            filters = [*near, "--lang", args.lang]
            rows.append(chaku(folder / f"{count}.json", args.model, out, count, filters=filters))
    if args.fastchat_python:
        part = folder / f"{args.fastchat_conversations}.json"
        rows.append(fastchat(args.fastchat_python, part, args.fastchat_model, args.fastchat_conversations))
    return rows


def write_varied(source: Path, out: Path, count: int) -> None:
    """Repeat a dump with other ids, and with three words of ten changed, so that nothing is a duplicate."""
    records = json.loads(source.read_text(encoding="utf-8"))
    words = sorted(
        {word for record in records for turn in record["conversations"] for word in _WORD.findall(turn["value"])}
    )
    with out.open("w", encoding="utf-8") as file:
        for number in range(count):
            draw = random.Random(number)  # noqa: S311 a benchmark's own text
            record = records[number % len(records)]
            turns = [
                {"from": turn["from"], "value": varied(turn["value"], words, draw)} for turn in record["conversations"]
            ]
            file.write(
                json.dumps({"id": f"{draw.getrandbits(40):010x}", "conversations": turns}, ensure_ascii=False) + "\n"
            )


def varied(text: str, words: Sequence[str], draw: random.Random) -> str:
    """A text with other words between its tags."""

    def other(found: re.Match[str]) -> str:
        return draw.choice(words) if draw.random() < 0.3 else found[0]

    return "".join(part if part.startswith("<") else _WORD.sub(other, part) for part in _TAG.split(text))


def chaku(dump: Path, model: Path, out: Path, count: int, *, filters: Sequence[str]) -> dict[str, Any]:
    """`chaku data prepare`, all of it, with some filters."""
    command = [
        *(sys.executable, "chaku.py", "data", "prepare", str(dump), "--model", str(model), "--template", TEMPLATE),
        *("--out", str(out), *filters),
    ]
    started, before = time.perf_counter(), processor_time_of_ended()
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL) as process:
        peak = peak_memory(process)
    whole = time.perf_counter() - started
    await_orphans()
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    counts = manifest["counts"]
    return {
        "way": f"Chaku{' with --lang' if '--lang' in filters else ''} (whole command {whole:.1f} s)",
        "conversations": count,
        "seconds": manifest["seconds"] - manifest["seconds_loading"],
        "processor": processor_time_of_ended() - before,
        "fill": counts["fill"],
        "kept": kept_share(out),
        "peak": peak,
    }


def adopt_orphans() -> None:
    """Become the parent of whatever process outlives its own among our descendants, such as a pool's workers."""
    set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def await_orphans() -> None:
    """Wait for every process that was adopted, so that its processor time is counted."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def processor_time_of_ended() -> float:
    """Seconds of processor time that all ended and awaited descendants have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_memory(process: "subprocess.Popen[bytes]") -> float:
    """The peak of a process's own memory in megabytes, once it has ended."""
    peak = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            break
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        peak = max(peak, int(found[1]) / 1000 if found else 0)
        time.sleep(0.05)
    return peak or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000


def kept_share(out: Path) -> float:
    """The share of the supervised tokens of kept turns that stand in the windows, counted in the windows themselves."""
    ledger = pq.read_table(out / "ledger.parquet", columns=["fate", "supervised_tokens"]).to_pandas()
    said = int(ledger.loc[ledger.fate == "trained", "supervised_tokens"].sum())
    return sum(labels_in(path) for path in windows_in(out)) / said


def windows_in(out: Path) -> list[Path]:
    """The shards of both parts."""
    return sorted(out.glob("*/windows-*.parquet"))


def labels_in(path: Path) -> int:
    """The supervised positions of a shard."""
    labels = pq.read_table(path, columns=["labels"])["labels"].combine_chunks().flatten().to_numpy()
    return int((labels != -100).sum())


def alone(out: Path, model: Path, count: int) -> dict[str, Any]:
    """`encode_batch_fast` on the rendered conversations, a thousand at a time, so that memory is no matter."""
    from templates.loading import load_encoder

    encoder = load_encoder(TEMPLATE, model)
    tokenizer = encoder._tokenizer.backend_tokenizer
    seconds = processor = 0.0
    for texts in rendered(out, encoder):
        started, before = time.perf_counter(), time.process_time()
        tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        seconds += time.perf_counter() - started
        processor += time.process_time() - before
    return {"way": "encode_batch_fast alone", "conversations": count, "seconds": seconds, "processor": processor}


def rendered(out: Path, encoder: Any) -> Iterator[list[str]]:  # noqa: ANN401 templates.Encoder, imported late
    """The texts of all kept conversations, a thousand at a time."""
    texts: list[str] = []
    for path in sorted((out / "conversations").glob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            texts.append(encoder.render(json.loads(line)["messages"]))
            if len(texts) == 1000:
                yield texts
                texts = []
    yield texts


def fastchat(python: str, dump: Path, model: Path, count: int) -> dict[str, Any]:
    """FastChat's three steps in its own environment."""
    records = [json.loads(line) for line in dump.read_text(encoding="utf-8").splitlines()]
    as_list, out = dump.with_suffix(".list.json"), dump.with_suffix(".made.json")
    as_list.write_text(json.dumps(records), encoding="utf-8")
    subprocess.run([python, "-c", FASTCHAT, as_list, model, out], check=True, capture_output=True)
    made = json.loads(out.read_text(encoding="utf-8"))
    return {
        "way": "FastChat",
        "conversations": count,
        "seconds": made["seconds"],
        "processor": made["processor"],
        "fill": made["tokens"] / (made["windows"] * 2048),
    }


def as_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows, with the throughput and its ratio to FastChat's where that ran."""
    counts = ("conversations", "seconds", "processor s", "a second", "of FastChat")
    table = Table("way", *counts, "fill", "supervised kept", "peak MB")
    slow = next((row["conversations"] / row["seconds"] for row in rows if row["way"] == "FastChat"), None)
    for row in rows:
        rate = row["conversations"] / row["seconds"]
        table.add_row(
            row["way"], f"{row['conversations']:,}", f"{row['seconds']:.1f}",
            f"{row['processor']:.1f}", f"{rate:,.0f}", f"{rate / slow:.1f}" if slow else "",
            f"{row['fill']:.4f}" if "fill" in row else "",
            f"{row['kept']:.2%}" if "kept" in row else "", f"{row['peak']:,.0f}" if "peak" in row else "",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    main()
