"""Two engines behind one address on this machine's CPU: one is killed under load, and more load starts a third."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from templates.loading import load_encoder
from tests.road import CHAKU, free_port, wait_for
from tests.serve.endless import MESSAGES, chat, is_whole, stream, write_model

pytestmark = pytest.mark.e2e


_REPLICA_STATES = """
import json, sys
import ray
from ray import serve
ray.init(address=sys.argv[1], logging_level="error", log_to_driver=False)
states = serve.status().applications["chaku"].deployments["engine"].replica_states
print(json.dumps({getattr(state, "value", state): count for state, count in states.items()}))
"""


class OnRay(NamedTuple):
    model: Path
    process: "subprocess.Popen[bytes]"
    root: str
    environment: dict[str, str]

    def replicas(self) -> list[psutil.Process]:
        """The processes of the engines' replicas."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in family if "ServeReplica:chaku:engine" in " ".join(_title(one))]

    def replica_states(self) -> dict[str, int]:
        """How many of the engines' replicas are in which of Ray's states."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        raylet = next(one for one in family if one.name() == "raylet")
        [address] = {part.partition("=")[2] for part in raylet.cmdline() if part.startswith("--gcs-address=")}
        argv = [sys.executable, "-c", _REPLICA_STATES, address]
        # Ray answers those alone who have the run's token, which is in its environment.
        ask = subprocess.run(argv, check=True, env=raylet.environ(), stdout=subprocess.PIPE)
        states: dict[str, int] = json.loads(ask.stdout.splitlines()[-1])
        return states

    def at_work(self, seconds: float) -> list[float]:
        """The share of a core that each replica, with its engine, takes for so long."""
        families = [[replica, *replica.children(recursive=True)] for replica in self.replicas()]
        before = [_processor_seconds(family) for family in families]
        time.sleep(seconds)
        return [(_processor_seconds(family) - was) / seconds for family, was in zip(families, before, strict=True)]


def _processor_seconds(family: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in family if one.is_running())


def _title(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def write_adapter(model: Path, path: Path) -> Path:
    """A random adapter for that model, which writes something else."""
    config = LoraConfig(r=8, target_modules=["q_proj", "v_proj", "o_proj"], init_lora_weights=False, lora_alpha=64)
    get_peft_model(LlamaForCausalLM.from_pretrained(model), config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRay]:
    work = tmp_path_factory.mktemp("ray")
    model, port = write_model(work / "tiny"), free_port()
    environment = {**os.environ, "XDG_STATE_HOME": str(work / "state"), "VLLM_CPU_KVCACHE_SPACE": "1"}
    argv = ["serve", str(model), "--engine", "ray", "--replicas", "2:3", "--no-ui", "--port", str(port)]
    adapter = write_adapter(model, work / "adapter")
    process = subprocess.Popen([CHAKU, *argv, "--limit", "n=2", "--adapter", f"tuned={adapter}"], env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield OnRay(model, process, f"http://127.0.0.1:{port}", environment)
    finally:
        process.terminate()
        process.wait()


def test_it_answers_as_a_single_engine_does(on_ray: OnRay) -> None:
    encoder = load_encoder("tokenizer", on_ray.model)
    card = httpx.get(f"{on_ray.root}/v1/models").json()["data"][0]
    assert (card["id"], card["chaku"]["fingerprint"]) == ("tiny", encoder.fingerprint.digest)
    assert httpx.get(f"{on_ray.root}/v1/models/tiny").json()["max_model_len"] == 8192
    tokens = httpx.post(f"{on_ray.root}/tokenize", json={"model": "tiny", "messages": MESSAGES}, timeout=60).json()
    assert tokens["tokens"] == encoder.encode_prompt(MESSAGES)
    reply = chat(on_ray.root)
    assert reply.json()["usage"]["completion_tokens"] == 8
    assert len(reply.headers["x-request-id"].split(", ")[0]) == 32  # the second is of Ray's proxy
    completion = {"model": "tiny", "prompt": "river", "max_tokens": 4, "ignore_eos": True}
    assert httpx.post(f"{on_ray.root}/v1/completions", json=completion, timeout=60).is_success
    assert httpx.post(f"{on_ray.root}/v1/responses", json={"model": "tiny", "input": "Hi"}, timeout=60).is_success


def test_an_adapter_answers_under_its_own_name(on_ray: OnRay) -> None:
    cards = httpx.get(f"{on_ray.root}/v1/models").json()["data"]
    assert [card["id"] for card in cards] == ["tiny", "tuned"]
    replies = [chat(on_ray.root, model=name, temperature=0).json() for name in ("tiny", "tuned")]
    assert [reply["model"] for reply in replies] == ["tiny", "tuned"]
    assert len({reply["choices"][0]["message"]["content"] for reply in replies}) == 2


def test_its_refusals_are_those_of_a_single_engine(on_ray: OnRay) -> None:
    for reply, status, code in (
        (chat(on_ray.root, n=3), 400, None),
        (chat(on_ray.root, model="other"), 404, "model_not_found"),
        (chat(on_ray.root, max_tokens=9000), 400, "context_length_exceeded"),
        (httpx.get(f"{on_ray.root}/docs"), 404, "unknown_url"),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    metrics = httpx.get(f"{on_ray.root}/metrics").text
    assert 'chaku_requests_total{key="none",route="/v1/chat/completions",status="400"}' in metrics
    assert "chaku_completion_tokens_total" in metrics


def test_a_client_that_leaves_ends_its_request(on_ray: OnRay) -> None:
    request = {"model": "tiny", "messages": MESSAGES, "ignore_eos": True, "stream": True, "max_tokens": 7000}
    with httpx.stream("POST", f"{on_ray.root}/v1/chat/completions", json=request, timeout=120) as reply:
        next(reply.iter_raw())
        busy = sum(on_ray.at_work(1))
    time.sleep(1)
    assert sum(on_ray.at_work(1)) < busy / 3


def test_a_killed_replica_loses_no_request_that_had_not_begun(on_ray: OnRay) -> None:
    assert len(on_ray.replicas()) == 2
    whole, streams = [], []
    with ThreadPoolExecutor(16) as pool:
        for _ in range(8):
            whole.append(pool.submit(chat, on_ray.root, max_tokens=1500))
            streams.append(pool.submit(stream, on_ray.root, max_tokens=1500))
        time.sleep(1.5)
        os.kill(on_ray.replicas()[0].pid, signal.SIGKILL)
        replies = [one.result() for one in whole]
        ends = [one.result() for one in streams]
    assert [reply.status_code for reply in replies] == [200] * 8
    assert {reply.json()["usage"]["completion_tokens"] for reply in replies} == {1500}
    # How many streams were the killed one's is Ray's choice: each is whole, or ends with a readable error.
    for events in ends:
        if "error" in events[-2]:
            assert (events[-2]["error"]["code"], events[-1]) == ("engine_stopped", "[DONE]")
        else:
            assert is_whole(events)


def test_a_killed_replica_comes_back(on_ray: OnRay) -> None:
    """After the test above: Ray has started another by itself, and both are at work."""
    wait_until_started(on_ray, replicas=2)
    with under_load(on_ray.root, clients=16) as statuses:
        wait_until_all_work(on_ray)
    assert set(statuses) == {200}


def test_load_starts_another_replica_within_the_bounds(on_ray: OnRay) -> None:
    """More than 16 requests a replica: Ray watches for half a minute, waits for another half, and starts a third."""
    with under_load(on_ray.root, clients=48):
        deadline = time.monotonic() + 200
        while len(on_ray.replicas()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    wait_until_started(on_ray, replicas=3)
    with under_load(on_ray.root, clients=48) as statuses:
        wait_until_all_work(on_ray)
        assert len(on_ray.replicas()) == 3  # the bound
    assert set(statuses) == {200}


@contextmanager
def under_load(root: str, *, clients: int) -> Iterator[Counter[int]]:
    """So many clients who ask again as soon as they are answered; yields how often each status has come."""
    statuses, is_over = Counter[int](), threading.Event()
    lengths = random.Random(0)

    def ask_on(client: httpx.Client) -> None:
        while not is_over.is_set():
            request = {"model": "tiny", "messages": MESSAGES, "ignore_eos": True}
            body = {**request, "max_tokens": lengths.randint(100, 1000)}
            statuses[client.post(f"{root}/v1/chat/completions", json=body).status_code] += 1

    limits = httpx.Limits(max_connections=clients)
    with httpx.Client(timeout=300, limits=limits) as client, ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(ask_on, client) for _ in range(clients)]
        try:
            yield statuses
        finally:
            is_over.set()
        for one in asking:
            one.result()


def wait_until_started(on_ray: OnRay, *, replicas: int) -> None:
    """Wait until so many engines take requests, as Ray itself says."""
    deadline = time.monotonic() + 300
    while (states := on_ray.replica_states()) != {"RUNNING": replicas}:
        assert time.monotonic() < deadline, states


def wait_until_all_work(on_ray: OnRay) -> None:
    """Wait, under load, until new requests have reached each engine, which then takes a fifth of a core or more."""
    deadline = time.monotonic() + 120
    while min(shares := on_ray.at_work(4)) < 0.2:
        assert time.monotonic() < deadline, shares


def test_it_is_asked_to_stop(on_ray: OnRay) -> None:
    """Last: running replies end whole, and no process is left."""
    status = subprocess.run([CHAKU, "serve", "--status"], check=True, env=on_ray.environment, capture_output=True)
    assert b"ready" in status.stdout
    family = psutil.Process(on_ray.process.pid).children(recursive=True)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stream, on_ray.root, max_tokens=3000)
        time.sleep(1)
        on_ray.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        refused = chat(on_ray.root)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_stopping")
        assert "error" not in json.dumps(running.result())
    assert on_ray.process.wait(timeout=60) == 0
    assert psutil.wait_procs(family, timeout=5)[1] == []
