"""An OpenAI-compatible server whose replies a function writes, and a function that plays a well-behaved model."""

import asyncio
import atexit
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.serve.scripted_server import serving

Body = dict[str, Any]
_VERBS = ["Write", "Describe", "Explain", "Compare", "Sort", "Translate", "Plan", "Rewrite", "Count", "Summarise"]
_THINGS = ["rivers", "bakers", "clocks", "bridges", "planets", "gardens", "violins", "trains", "letters", "markets"]
_MANNERS = ["slowly", "twice", "backwards", "honestly", "together", "abroad", "daily", "underwater"]


@dataclass
class Scripted:
    """`answer` gives a reply's text, (text, finish_reason), or a whole response, from the body and its number."""

    answer: Callable[[Body, int], str | tuple[str, str] | Response]
    schemas: bool = True
    most_seconds: float = 0.0
    bodies: list[Body] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    base_url: str = ""

    def app(self) -> Starlette:
        complete = Route("/v1/chat/completions", self._complete, methods=["POST"])
        return Starlette(routes=[Route("/v1/models", self._models), complete])

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"data": [{"id": "scripted"}]})

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        if not self.schemas and "response_format" in body:
            return JSONResponse({"error": {"message": "response_format is not supported"}}, 400)
        number = len(self.bodies)
        self.bodies.append(body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(random.uniform(0, self.most_seconds))
        self.at_once -= 1
        if question(body).startswith("Are you ready?"):
            return reply('{"ready": true}')
        answered = self.answer(body, number)
        return (
            answered
            if isinstance(answered, Response)
            else reply(*([answered] if isinstance(answered, str) else answered))
        )


def reply(text: str, finish_reason: str = "stop") -> Response:
    """A whole reply, of which every word is a token."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 10, "completion_tokens": len(text.split())}
    return JSONResponse({"model": "scripted", "choices": [choice], "usage": usage})


def question(body: Body) -> str:
    """The last thing that is asked."""
    return str(body["messages"][-1]["content"])


def a_task(number: int) -> str:
    """One of many instructions that are little like each other."""
    rng = random.Random(number)
    words = [rng.choice(_VERBS), str(number), *rng.sample(_THINGS, 3), *rng.sample(_MANNERS, 2), f"w{number}."]
    return " ".join(words)


def good_model(body: Body, _: int) -> str:  # noqa: PLR0911 a prompt each
    """Answers every prompt as asked; what it says depends on the prompt alone."""
    asked = question(body)
    rng = random.Random(asked)
    number = rng.randrange(10**9)
    if asked.startswith("Here are tasks"):
        return json.dumps({"instructions": [a_task(number + n) for n in range(3)]})
    if asked.startswith("A classification task"):
        return rng.choice(["yes", "no"])
    if asked.startswith("Task:"):
        return json.dumps({"instances": [{"input": f"input {number}", "output": f"output {number}"}]})
    if asked.startswith("You write tasks"):
        made = [{"instruction": a_task(number + n), "input": "", "output": f"answer {n}"} for n in range(3)]
        return json.dumps({"tasks": made})
    if asked.startswith(("Rewrite the instruction", "Read the instruction")):
        return a_task(number)
    if asked.startswith("Do these two"):
        return "different"
    if asked.startswith("Below is a conversation"):
        return f"User: {a_task(number)}"
    return f"A sound answer with the number {number}."


@dataclass
class _Switch:
    """One server for all tests of a process, since ending one takes a tenth of a second: it hands over to a script."""

    app: Starlette | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


_SWITCH = _Switch()


@cache
def _root() -> str:
    running = serving(_SWITCH)  # type: ignore[arg-type] # any ASGI application will do
    atexit.register(running.__exit__, None, None, None)
    return running.__enter__()


@contextmanager
def scripted(server: Scripted) -> Iterator[Scripted]:
    """Let it answer while the block lasts; sets its address."""
    server.base_url = f"{_root()}/v1"
    _SWITCH.app = server.app()
    yield server
