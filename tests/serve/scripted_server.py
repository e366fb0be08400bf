"""An OpenAI-compatible server with a script: it says what a test tells it to, at the pace the test wants."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "vicugna-7b"
PAUSE = 0.01


@dataclass
class ScriptedServer:
    """Answers each request with the next scripted reply (the last one again when none is left), a word at a time.

    `error` (status, message) answers instead of a reply. `break_after` cuts the connection after so many words.
    `context` is the model's in tokens, which here are words; usage is counted so too. `root` is where it says that the
    models' files are, and `prompt_ids` what it tells of a prompt's tokens.
    """

    replies: list[str] = field(default_factory=lambda: ["Hello."])
    seconds_per_word: float = 0.0
    error: tuple[int, str] | None = None
    break_after: int | None = None
    refuses_to_continue: bool = False
    is_starting: bool = False
    context: int = 4096
    models: tuple[str, ...] = (MODEL,)
    root: str = ""
    prompt_ids: Callable[[Sequence[dict[str, str]]], list[int]] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    aborted: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    most_at_once: int = 0
    base_url: str = ""

    def reset(self) -> None:
        """Forget the script and the record, keep the address."""
        fresh = ScriptedServer(base_url=self.base_url)
        self.__dict__.update(fresh.__dict__)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/tokenize", self._tokenize, methods=["POST"]),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
            ]
        )

    async def _models(self, _: Request) -> Response:
        if self.is_starting:
            return JSONResponse({"error": {"message": "loading", "type": "scripted"}}, status_code=503)
        card = {"object": "model", "created": 0, "max_model_len": self.context, "root": self.root}
        return JSONResponse({"object": "list", "data": [card | {"id": name} for name in self.models]})

    async def _tokenize(self, request: Request) -> Response:
        body = await request.json()
        told = {"tokens": self.prompt_ids(body["messages"])} if self.prompt_ids else {}
        return JSONResponse({"count": _tokens(body), "max_model_len": self.context, **told})

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        number = len(self.requests)  # after the wait: two requests at once have two numbers
        self.requests.append(body)
        if self.error:
            status, message = self.error
            return JSONResponse({"error": {"message": message, "type": "scripted"}}, status_code=status)
        if self.refuses_to_continue and body.get("continue_final_message"):
            return JSONResponse({"error": {"message": "unknown field", "type": "scripted"}}, status_code=400)
        self.most_at_once = max(self.most_at_once, len(self.requests) - len(self.finished) - len(self.aborted))
        text = self.replies[min(number, len(self.replies) - 1)]
        return StreamingResponse(self._stream(number, text, _tokens(body)), media_type="text/event-stream")

    async def _stream(self, number: int, text: str, prompt_tokens: int) -> AsyncIterator[str]:
        try:
            for at, word in enumerate(text.split(" ")):
                if self.break_after == at:
                    raise ConnectionResetError("scripted")
                yield _event({"content": word if at == 0 else " " + word}, None)
                await asyncio.sleep(self.seconds_per_word)
            yield _event({}, "stop")
            yield _usage(prompt_tokens, len(text.split(" ")))
            yield "data: [DONE]\n\n"
            self.finished.append(number)
        finally:
            if number not in self.finished:
                self.aborted.append(number)


def _tokens(body: dict[str, Any]) -> int:
    return sum(len(message["content"].split()) for message in body["messages"])


def _usage(prompt: int, reply: int) -> str:
    usage = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [], "usage": usage}
    return f"data: {json.dumps(body)}\n\n"


def _event(delta: dict[str, str], finish_reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}
    return f"data: {json.dumps(body)}\n\n"


@contextmanager
def running(server: ScriptedServer) -> Iterator[ScriptedServer]:
    """Run it in a thread on a free port of the loopback; sets `base_url`."""
    with serving(server.app()) as root:
        server.base_url = f"{root}/v1"
        yield server


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Any ASGI application in a thread; gives its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1)
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run, daemon=True)
    thread.start()
    while not uvicorn_server.started:
        threading.Event().wait(PAUSE)
    port = uvicorn_server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    uvicorn_server.should_exit = True
    thread.join(timeout=5)
