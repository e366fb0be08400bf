"""`make demo`: a dump, cleaned, windowed, trained, served by vLLM and chatted with in a browser, on real parts.

Each step is the command that a person would type, and is printed before it runs.
"""

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, cast

from openai import OpenAI
from rich.console import Console
from rich.table import Table

CHAKU = str(Path(sys.executable).with_name("chaku"))
RECIPE = Path(__file__).parent / "recipes" / "smollm2-135m-cpu.yaml"
TEMPLATE = "vicuna_v1.1"
QUESTION = "Name three things to see in Paris."
# A tenth of a small dump is held out, so that there are twenty prompts to ask.
HELD_OUT, PROMPTS, REPLY_TOKENS = "0.1", 20, 256
STARTUP_SECONDS = 300

console = Console()


def main() -> None:
    """Run the whole road; with --once exit after the summary, else stay up until Ctrl-C."""
    args = parse_args()
    cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True)  # in order with what the commands print
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with Ctrl-C ignored
    work = args.work
    model = args.model or base_model()
    data, before, after = work / "data", work / "before", work / "model"
    prepare(args.dump, model, data)
    train(model, data, before, steps=0)
    with serving(before, ui=False) as (api, _, _):
        stopped_before = stop_rate(api, data, work / "replies-before.json")
    train(model, data, after, steps=args.steps)
    with serving(after, ui=True) as (api, page, server):
        stopped_after = stop_rate(api, data, work / "replies-after.json")
        ask(api)
        compare(data, before, after)
        summarise(data, after, (stopped_before, stopped_after), (api, page))
        if not args.once:
            stay_up(page, server)


def parse_args() -> argparse.Namespace:
    """The variables of the Makefile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", type=Path, required=True, help="a ShareGPT dump")
    parser.add_argument("--model", help="base model: a Hugging Face directory or hub name (default: SmolLM2-135M)")
    parser.add_argument("--steps", type=int, default=14, help="training steps (default: 14)")
    parser.add_argument("--work", type=Path, default=Path("demo-run"), help="where everything is written")
    parser.add_argument("--once", action="store_true", help="exit after the summary")
    return parser.parse_args()


def step(title: str, *argv: str) -> None:
    """Print a command and run it; the demo ends where it fails, with its exit code."""
    console.rule(f"[bold]{title}", align="left")
    console.print(f"[dim]$ {shlex.join(['chaku', *argv])}[/]", highlight=False, soft_wrap=True)
    code = subprocess.run([CHAKU, *argv], check=False).returncode
    if code:
        sys.exit(code)


def base_model() -> str:
    """The directory of the small real model, made on the first call."""
    console.rule("[bold]Base model: SmolLM2-135M-Instruct", align="left")
    made = subprocess.run([sys.executable, "-m", "train.small_model"], check=False, stdout=subprocess.PIPE, text=True)
    if made.returncode:
        sys.exit(made.returncode)
    console.print(made.stdout.strip(), highlight=False, soft_wrap=True)
    return made.stdout.strip()


def prepare(dump: Path, model: str, data: Path) -> None:
    """A dump -> packed windows."""
    options = ("--model", model, "--template", TEMPLATE, "--held-out", HELD_OUT, "--out", str(data))
    step("Prepare: clean, split, tokenise, pack", "data", "prepare", str(dump), *options)


def train(model: str, data: Path, out: Path, *, steps: int) -> None:
    """Windows -> a model directory; no steps give the base model under the template, to compare with."""
    title = f"Train: {steps} steps" if steps else "The base model under the template, untrained"
    options = ("--model.path", model, "--data.path", str(data), "--out", str(out), "--schedule.max_steps", str(steps))
    step(title, "train", "--config", str(RECIPE), *options)


@contextmanager
def serving(model: Path, *, ui: bool) -> Iterator[tuple[str, str, "subprocess.Popen[bytes]"]]:
    """`chaku serve` while the block runs; gives the addresses of the API and of the chat page, and the process."""
    console.rule(f"[bold]Serve: {model}", align="left")
    port, ui_port = free_port(8000), free_port(7860)
    argv = ["serve", str(model), "--port", str(port), *(["--ui-port", str(ui_port)] if ui else ["--no-ui"])]
    console.print(f"[dim]$ {shlex.join(['chaku', *argv])}[/]", highlight=False, soft_wrap=True)
    server = subprocess.Popen([CHAKU, *argv])
    try:
        api, page = f"http://127.0.0.1:{port}/v1", f"http://127.0.0.1:{ui_port}/"
        wait_for(f"http://127.0.0.1:{port}/health", server)
        if ui:
            wait_for(page, server)
        yield api, page, server
    finally:
        server.terminate()
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_port(first: int) -> int:
    """The first free port of this machine from `first` on."""
    port = first
    while answers(port):
        port += 1
    return port


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return once a page answers; the demo ends where the server dies first."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(server.returncode or 1)
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 our own server, on the loopback
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    fail(f"{url} did not answer within {STARTUP_SECONDS} s")


def stop_rate(api: str, data: Path, out: Path) -> str:
    """Ask the held-out prompts; "12 of 20" replies ended by themselves."""
    options = ("--base-url", api, "--n", str(PROMPTS), "--max-tokens", str(REPLY_TOKENS), "--out", str(out))
    conversations = ("--conversations", str(data / "conversations" / "held_out.jsonl"))
    step("Does it end its replies?", "evaluate", "stop-rate", *conversations, *options)
    measured = read_json(out)
    return f"{measured['stopped']} of {measured['prompts']}"


def ask(api: str) -> None:
    """One question through the official client, streamed."""
    console.rule("[bold]One question through the openai client", align="left")
    client = OpenAI(base_url=api, api_key="none")
    model = client.models.list().data[0].id
    console.print(f"[bold]{QUESTION}[/]")
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        max_tokens=REPLY_TOKENS,
        temperature=0,
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


def compare(data: Path, before: Path, after: Path) -> None:
    """Before and after training, by what needs no judge: held-out loss, and the replies of both."""
    work = after.parent
    held_out = ("--held-out", str(data / "conversations" / "held_out.jsonl"))
    replies = ("--replies", str(work / "replies-before.json"), str(work / "replies-after.json"))
    options = (*held_out, *replies, "--out", str(work / "comparison"))
    step("Is it better than before?", "evaluate", "compare", str(before), str(after), *options)


def summarise(data: Path, model: Path, stopped: tuple[str, str], addresses: tuple[str, str]) -> None:
    """The figures of the run, one table."""
    counts = read_json(data / "manifest.json")["counts"]
    figures = read_json(model / "chaku.json")["figures"]
    table = Table(title="Chaku: from a dump to a chat", title_justify="left", show_header=False)
    for name, value in (
        ("conversations", f"{counts['conversations_kept']} kept of {counts['conversations_in']}"),
        ("windows", f"{counts['windows']}, {counts['fill']:.4f} full"),
        ("supervised tokens", f"{counts['supervised_tokens']:,} of {counts['tokens']:,}"),
        ("held-out loss", f"{figures['before_held_out_loss']:.4f} -> {figures['held_out_loss']:.4f}"),
        ("training speed", f"{figures['tokens_per_second']:.0f} tokens/s"),
        ("replies ended by themselves", f"{stopped[0]} -> {stopped[1]}"),
        ("before and after", str(model.parent / "comparison" / "report.html")),
        ("API", addresses[0]),
        ("chat page", addresses[1]),
    ):
        table.add_row(name, value)
    console.print(table)


def stay_up(page: str, server: "subprocess.Popen[bytes]") -> None:
    """Show the page and wait for Ctrl-C; where the server dies first, the demo ends with its exit code."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(page)
    console.print(f"Chat at {page} - Ctrl-C stops everything.")
    sys.exit(server.wait())


def read_json(path: Path) -> Any:  # noqa: ANN401 whatever the file holds
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def fail(message: str) -> NoReturn:
    """End the demo with one line."""
    console.print(f"demo: error: {message}", style="red", highlight=False)
    sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
