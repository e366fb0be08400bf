"""An OpenAI-compatible server whose every reply a function of the request decides."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.serve.scripted_server import serving

MODEL = "scripted"


@dataclass
class Scripted:
    """`reply` gives the text for a request's body, or None to refuse it. `seconds` is what each takes."""

    reply: Callable[[dict[str, Any]], str | None]
    seconds: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    base_url: str = ""

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0}]})

    async def complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        await asyncio.sleep(self.seconds)
        text = self.reply(body)
        if text is None:
            return JSONResponse({"error": {"message": "the prompt is too long"}}, status_code=400)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": len(text.split()), "total_tokens": 2}
        return JSONResponse({"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage})


@contextmanager
def running(scripted: Scripted) -> Iterator[Scripted]:
    """Run it on a free port of the loopback; sets `base_url`."""
    routes = [Route("/v1/models", scripted.models), Route("/v1/chat/completions", scripted.complete, methods=["POST"])]
    with serving(Starlette(routes=routes)) as root:
        scripted.base_url = f"{root}/v1"
        yield scripted


def asked(body: dict[str, Any]) -> str:
    """What the last message of a request says."""
    return str(body["messages"][-1]["content"])
