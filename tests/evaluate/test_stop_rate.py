import asyncio
import json

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI

from evaluate.stop_rate import StopRate, measure_stop_rate
from templates import InputError, Message


def scripted(request: httpx.Request) -> httpx.Response:
    """Ends a reply by itself unless the prompt says "long"; refuses the prompt "refuse"."""
    if request.url.path.endswith("/models"):
        return httpx.Response(200, json={"object": "list", "data": [{"id": "vicuna", "object": "model"}]})
    body = json.loads(request.content)
    prompt = body["messages"][-1]["content"]
    if prompt == "refuse":
        return httpx.Response(400, json={"error": {"message": "too long", "type": "invalid_request_error"}})
    reason = "length" if prompt == "long" else "stop"
    message = {"role": "assistant", "content": f"re: {prompt}"}
    usage = {"completion_tokens": 7, "prompt_tokens": 1, "total_tokens": 8}
    return httpx.Response(
        200, json={"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}
    )


def measure(*prompts: str, handler: httpx.MockTransport | None = None) -> StopRate:
    async def run() -> StopRate:
        http = httpx.AsyncClient(transport=handler or httpx.MockTransport(scripted))
        client = AsyncOpenAI(base_url="http://127.0.0.1:1/v1", api_key="none", http_client=http, max_retries=0)
        return await measure_stop_rate(client, [[Message(role="user", content=prompt)] for prompt in prompts])

    return asyncio.run(run())


def test_counts_replies_that_end_by_themselves() -> None:
    measured = measure("short", "long", "brief")
    assert measured.stopped == 2
    assert [reply.text for reply in measured.replies] == ["re: short", "re: long", "re: brief"]
    assert measured.to_json()["prompts"] == 3


def test_a_refusal_and_a_dead_server_are_told_apart() -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(InputError, match=r"refused a prompt: .*too long"):
        measure("refuse")
    with pytest.raises(InputError, match="no server answers"):
        measure("short", handler=httpx.MockTransport(unreachable))
