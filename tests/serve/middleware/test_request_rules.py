import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from serve.middleware.request_rules import RefusedError, check
from serve.middleware.settings import Limits, Settings
from tests.serve.middleware.conftest import Guarded

CHAT = "/v1/chat/completions"
HI = '"messages": [{"role": "user", "content": "Hi"}]'


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ('"n": 9', "n"),
        ('"best_of": 9', "best_of"),
        ('"n": 1e9', "n"),
        ('"n": "9"', "n"),
        ('"n": 1' + "0" * 400, "n"),
        ('"max_tokens": 101', "max_tokens"),
        ('"max_completion_tokens": 101', "max_completion_tokens"),
        ('"top_logprobs": 21', "top_logprobs"),
        ('"logprobs": 21', "logprobs"),
        ('"stop": [' + ",".join(['"x"'] * 100_000) + "]", "stop"),
        ('"stop": "' + "x" * 257 + '"', "stop"),
        ('"stop": ["' + "x" * 257 + '"]', "stop"),
        ('"stop_token_ids": [' + ",".join(["1"] * 17) + "]", "stop_token_ids"),
        ('"prompt": [' + ",".join(['"x"'] * 65) + "]", "prompt"),
        ('"chat_template": "{{ 1 }}"', "chat_template"),
        ('"prompt_embeds": "AAAA"', "prompt_embeds"),
        ('"mm_processor_kwargs": {}', "mm_processor_kwargs"),
        ('"kv_transfer_params": {"x": 1}', "kv_transfer_params"),
        ('"messages": [{"content": [{"type": "image_url", "image_url": {"url": "http://169.254.1.1/"}}]}]', "messages"),
        ('"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": "http://x/"}}]}]', "messages"),
        ('"messages": [{"content": [{"type": "tool_result", "content": [{"type": "document"}]}]}]', "messages"),
        ('"input": [{"type": "function_call_output", "output": [{"image_url": "file:///etc/passwd"}]}]', "input"),
        ('"input": [{"content": [{"type": "input_image", "image_url": "http://127.0.0.1/"}]}]', "input"),
    ],
)  # fmt: skip
def test_what_asks_for_too_much_is_refused_by_its_field(guarded: Guarded, asked: str, param: str) -> None:
    client = guarded(Settings(limits=Limits(max_tokens=100)))
    answer = client.post(CHAT, content=f"{{{asked}}}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert len(answer.text) < 500


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"temperature": NaN}', "NaN"),
        (b'{"temperature": -Infinity}', "Infinity"),
        (b'{"x": "\\ud800"}', "surrogate"),
        (b'{"x": "\xff"}', "UTF-8"),
        ("{}".encode("utf-16"), "UTF-8"),
        (b'{"x": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"x": ' + b"[" * 49 + b"]" * 49 + b"}", "deeper than 48"),
        (b"[" * 100_000, "deeper than 48"),
        (b'{"x":' * 100_000, "deeper than 48"),
    ],
)
def test_what_is_no_sound_json_is_refused(client: TestClient, body: bytes, said: str) -> None:
    answer = client.post(CHAT, content=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"7", b'{"n": null, "stop": null, "messages": "x"}'])
def test_the_rest_is_left_to_vllm(body: bytes) -> None:
    assert check(body, Limits()).get("stop") is None


def test_a_body_is_handed_on_as_it_came(client: TestClient) -> None:
    sent = '{"model": "m", "n": 8, "stop": ["a", "\\u0000"], "prompt": [1, 2, 3], ' + HI + "}"
    pieces = iter([sent[:20].encode(), sent[20:].encode()])
    assert client.post(CHAT, content=pieces).json()["asked"]["stop"] == ["a", "\x00"]


def test_a_request_that_names_no_length_gets_the_longest_it_may_have(guarded: Guarded) -> None:
    client = guarded(Settings(limits=Limits(max_tokens=100)))
    assert client.post(CHAT, json={"model": "m"}).json()["asked"] == {"model": "m", "max_completion_tokens": 100}
    assert client.post(CHAT, json={"max_tokens": 7}).json()["asked"] == {"max_tokens": 7}
    assert client.post("/v1/completions", json={"prompt": "x"}).json()["asked"] == {"prompt": "x", "max_tokens": 16}


def test_10_mb_are_refused_before_they_are_read(client: TestClient) -> None:
    whole = client.post(CHAT, content=b"x" * 10_000_000)
    assert (whole.status_code, whole.json()["error"]["code"]) == (413, "body_too_large")
    pieces = (b"x" * 1_000_000 for _ in range(10))
    assert client.post(CHAT, content=pieces).status_code == 413


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = ("n", "stop", "messages", "input", "prompt", "logprobs", "max_tokens", "model", "chat_template")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_request_breaks_the_check(request: dict[str, object]) -> None:
    import json

    try:
        check(json.dumps(request).encode(), Limits(max_tokens=10))
    except RefusedError as refused:
        assert refused.status == 400
