"""All of the middleware, in its order, around a small application that stands for vLLM's."""

import asyncio
import importlib
import json
from types import SimpleNamespace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from serve.middleware import ORDER


async def reply(request: Request) -> Response:
    """Answers as vLLM would, with 10 tokens of prompt and 5 of reply on record."""
    asked = await request.json()
    usage = SimpleNamespace(prompt_tokens=10, completion_tokens=5)
    request.state.request_metadata = SimpleNamespace(final_usage_info=usage)
    await asyncio.sleep(asked.get("seconds", 0))
    if asked.get("fail") == "raises":
        raise ZeroDivisionError
    if asked.get("fail"):
        body: dict[str, Any] = asked["fail"]
        return JSONResponse(body, status_code=asked["status"])
    if asked.get("stream") == "dies":
        error = {"message": "EngineCore encountered an issue. See above.", "type": "InternalServerError", "code": 500}
        pieces = iter(['data: {"n": 0}\n\n', f'data: {{"error": {json.dumps(error)}}}\n\n', "data: [DONE]\n\n"])
        return StreamingResponse(pieces, media_type="text/event-stream")
    if asked.get("stream"):
        events = (f'data: {{"n": {at}}}\n\n' for at in range(3))
        return StreamingResponse(events, media_type="text/event-stream; charset=utf-8")
    return JSONResponse({"asked": asked, "id": request.headers["x-request-id"]})


async def models(_: Request) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": "org/vicuna", "object": "model"}]})


async def plain(request: Request) -> Response:
    return PlainTextResponse(request.url.path)


def application() -> Starlette:
    """The small application behind all of the middleware; settings are read from the environment when it is made."""
    posts = [
        Route(path, reply, methods=["POST"]) for path in ("/v1/chat/completions", "/v1/messages", "/v1/completions")
    ]
    gets = [Route(path, plain) for path in ("/health", "/secret")]
    app = Starlette(routes=[*posts, *gets, Route("/v1/models", models)])
    for path in reversed(ORDER):
        module, name = path.rsplit(".", 1)
        app.add_middleware(getattr(importlib.import_module(module), name))
    return app
