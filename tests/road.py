"""The road that end-to-end tests stand on: a model made from the sample dump, and served by real vLLM with its page."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "examples" / "recipes" / "smollm2-135m-cpu.yaml"
_SHORT = ("--schedule.max_steps", "2", "--validation.windows", "2", "--generation.max_tokens", "4")
CHAKU = str(Path(sys.executable).with_name("chaku"))


@dataclass(frozen=True)
class Served:
    """A model that this road made and serves, and where its page keeps the chats."""

    data: Path
    model: Path
    process: "subprocess.Popen[bytes]"
    root: str
    page: str
    db: str

    @property
    def api(self) -> str:
        return f"{self.root}/v1"


def chaku(*argv: str) -> None:
    subprocess.run([CHAKU, *argv], check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended before it was ready"
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{url} did not answer")


@contextmanager
def served_road(small_model: Path, work: Path) -> Iterator[Served]:
    """The sample dump, two steps of training, and the server."""
    data, model = work / "data", work / "vicuna"
    dump = ROOT / "examples" / "sharegpt_sample.json"
    prompt = ("--model", str(small_model), "--template", "vicuna_v1.1", "--window", "512")
    chaku("data", "prepare", str(dump), *prompt, "--held-out", "0.1", "--out", str(data))
    paths = ("--model.path", str(small_model), "--data.path", str(data), "--out", str(model))
    chaku("train", "--config", str(RECIPE), *paths, *_SHORT)
    with serving(model, data) as served:
        yield served


@contextmanager
def serving(model: Path, data: Path) -> Iterator[Served]:
    """`chaku serve` for a model that was trained on data; stopped by SIGTERM, which must end everything."""
    port, ui_port, db = free_port(), free_port(), f"sqlite:///{model.parent / 'chat.sqlite'}"
    process = subprocess.Popen([CHAKU, "serve", str(model), "--port", str(port), "--ui-port", str(ui_port), "--db", db])
    served = Served(data, model, process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ui_port}/", db)
    try:
        wait_for(f"{served.root}/health", process)
        wait_for(served.page, process)
        yield served
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 3  # the server, its engine, the page
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert psutil.wait_procs(family, timeout=5)[1] == []
    finally:
        process.terminate()
        process.wait()
