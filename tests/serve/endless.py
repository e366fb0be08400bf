"""A random model that writes thousands of tokens without an end, in a few seconds, and what asks for them."""

import json
from pathlib import Path
from typing import Any

import httpx
from transformers import LlamaForCausalLM

import templates
from tests.train import tiny

MESSAGES = [{"role": "user", "content": "Which river is green?"}]


def write_model(path: Path) -> Path:
    config = tiny.tiny_config()
    config.max_position_embeddings = 8192
    config.hidden_size, config.num_attention_heads, config.num_key_value_heads = 128, 2, 2
    config.head_dim = 64  # the least that attention on a CPU takes
    LlamaForCausalLM(config).save_pretrained(path)  # type: ignore[no-untyped-call]
    tokenizer = tiny.tiny_tokenizer()
    tokenizer.chat_template = templates.load("vicuna_v1.1").text
    tokenizer.save_pretrained(path)
    return path


def chat(root: str, **options: Any) -> httpx.Response:
    request = {"model": "tiny", "messages": MESSAGES, "max_tokens": 8, "ignore_eos": True, **options}
    return httpx.post(f"{root}/v1/chat/completions", json=request, timeout=120)


def stream(root: str, **options: Any) -> list[Any]:
    """The events of a stream, parsed; DONE is a string."""
    request = {"model": "tiny", "messages": MESSAGES, "ignore_eos": True, "stream": True, **options}
    with httpx.stream("POST", f"{root}/v1/chat/completions", json=request, timeout=120) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["x-accel-buffering"] == "no"
        # Lines end with a line feed alone: the random model writes U+2028 and its like, at which httpx would cut too.
        lines = reply.read().decode().split("\n")
        events = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [event if event == "[DONE]" else json.loads(event) for event in events]


def is_whole(events: list[Any]) -> bool:
    """Whether a stream went on to the last token that was asked for."""
    return bool(events[-1] == "[DONE]" and events[-2]["choices"][0]["finish_reason"] == "length")
