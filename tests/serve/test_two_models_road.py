"""Two models, each on an engine of its own, under one `chaku serve`: hostile requests, a hang, a kill, a stop."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest

from serve.middleware.routes import ALLOWED
from tests.road import CHAKU, free_port, wait_for
from tests.serve.collector import Collector, collector
from tests.serve.endless import chat, is_whole, stream, write_model

pytestmark = pytest.mark.e2e
NAMES = ("left", "right")
TOKENS = 3000  # some seconds of writing


def until_running(root: str, count: int) -> None:
    """Until an engine writes so many replies at once."""
    deadline = time.monotonic() + 60
    while True:
        metrics = httpx.get(f"{root}/metrics", timeout=60).text
        found = re.search(r"^vllm:num_requests_running\{.*\} (\S+)$", metrics, re.MULTILINE)
        if found and float(found[1]) >= count:
            return
        assert time.monotonic() < deadline, f"{root} does not write {count} replies at once"
        time.sleep(0.05)


class TwoModels(NamedTuple):
    process: "subprocess.Popen[bytes]"
    port: int
    environment: dict[str, str]
    traces: Collector

    def root(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port + NAMES.index(name)}"

    def server(self, name: str) -> psutil.Process:
        port = str(self.port + NAMES.index(name))
        children = psutil.Process(self.process.pid).children()
        return next(one for one in children if port in one.cmdline())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoModels]:
    work = tmp_path_factory.mktemp("two")
    models, port = [str(write_model(work / name)) for name in NAMES], free_port()
    environment = {**os.environ, "XDG_STATE_HOME": str(work / "state"), "VLLM_CPU_KVCACHE_SPACE": "1"}
    argv = [CHAKU, "serve", *models, "--no-ui", "--port", str(port), "--limit", "max_tokens=4000"]
    with collector() as traces:
        process = subprocess.Popen([*argv, "--traces", traces.url], env=environment)
        two = TwoModels(process, port, environment, traces)
        try:
            for name in NAMES:
                wait_for(f"{two.root(name)}/health", two.process)
            yield two
        finally:
            two.process.terminate()
            two.process.wait()


def test_no_request_that_the_schema_allows_or_forbids_is_a_500(two: TwoModels, clients: Path, tmp_path: Path) -> None:
    """Schemathesis makes them from the live OpenAPI, for each of the routes that are open."""
    routes = sorted(set(ALLOWED) - {"/openapi.json"})
    included = [option for path in routes for option in ("--include-path", path)]
    argv = ["run", f"{two.root('left')}/openapi.json", *included, "--checks", "not_a_server_error", "--seed", "7"]
    limits = ["--phases", "fuzzing", "--max-examples", "40", "--request-timeout", "60", "--continue-on-failure"]
    done = subprocess.run(
        [str(clients / "schemathesis"), *argv, *limits, "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert f"{len(routes)} selected" in done.stdout
    assert chat(two.root("left"), model="left").is_success


def test_traces_reach_the_collector_without_what_was_said(two: TwoModels) -> None:
    said = "A word that no other request has: quokka."
    reply = chat(two.root("left"), model="left", messages=[{"role": "user", "content": said}]).json()
    deadline = time.monotonic() + 30
    while not (found := [span for span in two.traces.spans if reply["id"] in str(span)]):
        assert time.monotonic() < deadline, "no trace of the request arrived"
        time.sleep(0.2)
    assert {"gen_ai.usage.prompt_tokens", "gen_ai.latency.e2e"} <= {one.key for one in found[0].attributes}
    assert "quokka" not in str(two.traces.spans)


def test_an_engine_that_hangs_for_30_seconds_loses_nothing(two: TwoModels) -> None:
    engine = two.server("right").children(recursive=True)
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(stream, two.root("right"), model="right", max_tokens=TOKENS) for _ in range(2)]
        until_running(two.root("right"), 2)
        for one in engine:
            one.suspend()
        try:
            late = [pool.submit(stream, two.root("right"), model="right", max_tokens=20) for _ in range(2)]
            assert is_whole(stream(two.root("left"), model="left", max_tokens=20))
            time.sleep(30)
            assert not any(one.done() for one in (*running, *late))
        finally:
            for one in engine:
                one.resume()
        assert all(is_whole(one.result()) for one in (*running, *late))
    assert [one.pid for one in two.server("right").children(recursive=True)] == [one.pid for one in engine]


def ask_until_served(root: str, name: str) -> int:
    """As a patient client does: again, where the connection broke or the server said that it starts. Returns tokens."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            reply = chat(root, model=name, max_tokens=TOKENS)
            if reply.is_success:
                return int(reply.json()["usage"]["completion_tokens"])
            assert reply.status_code in (500, 503), reply.text
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{root} did not come back")


def test_one_that_is_killed_under_load_comes_back_while_the_other_goes_on(two: TwoModels) -> None:
    with ThreadPoolExecutor(8) as pool:
        undisturbed = [pool.submit(stream, two.root("left"), model="left", max_tokens=TOKENS) for _ in range(4)]
        patient = [pool.submit(ask_until_served, two.root("right"), "right") for _ in range(4)]
        for name in NAMES:
            until_running(two.root(name), 4)
        killed = two.server("right")
        killed.kill()
        assert all(is_whole(one.result()) for one in undisturbed)
        assert [one.result() for one in patient] == [TOKENS] * 4
    assert two.server("right").pid != killed.pid
    status = subprocess.run([CHAKU, "serve", "--status"], check=True, env=two.environment, capture_output=True)
    assert status.stdout.count(b"ready") == 2, status.stdout


def first_refusal(root: str, name: str) -> httpx.Response:
    """What a client is told first that no longer gets a reply: at most a few short ones come before it."""
    for _ in range(20):
        reply = chat(root, model=name, max_tokens=1)
        if not reply.is_success:
            return reply
        time.sleep(0.2)
    raise AssertionError(f"{root} takes requests on")


def test_a_stop_under_load_ends_each_reply_whole_and_leaves_nothing(two: TwoModels) -> None:
    """Last: it stops the server."""
    family = psutil.Process(two.process.pid).children(recursive=True)
    with ThreadPoolExecutor(8) as pool:
        running = [
            pool.submit(stream, two.root(name), model=name, max_tokens=TOKENS) for name in NAMES for _ in range(4)
        ]
        for name in NAMES:
            until_running(two.root(name), 4)
        two.process.send_signal(signal.SIGTERM)
        refused = [first_refusal(two.root(name), name) for name in NAMES]
        assert all(one.status_code == 503 and "retry-after" in one.headers for one in refused)
        assert all(is_whole(one.result()) for one in running)
    assert two.process.wait(timeout=60) == 0
    assert psutil.wait_procs(family, timeout=5)[1] == []
