"""What stands in front of the replicas: the middleware of a single engine, and a second try where a replica died.

A request goes to one replica. If that one is lost before anything of the reply was sent, the next is asked; the client
sees a reply that took longer. A stream that had begun ends with an error event.
"""

import asyncio
import importlib
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from ray import serve
from ray.exceptions import NodeDiedError, RayActorError, WorkerCrashedError
from ray.serve.exceptions import DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.middleware.errors import ENGINE_DEAD, send_error
from serve.ray_serve.replica import USAGE

# Between tries: 15 s in all, within which Ray Serve finds out by itself that a replica's engine is dead. A request that
# ended so many engines is asked no more.
_WAITS_SECONDS = (0.2, 0.8, 2.0, 4.0, 8.0)
_LOST = (RayActorError, NodeDiedError, WorkerCrashedError, ReplicaUnavailableError, DeploymentUnavailableError)
_PASSED_ON = ("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "headers")
_MESSAGE = "The engine that wrote this reply stopped; ask once more."
_EVENT = {"error": {"message": _MESSAGE, "type": "server_error", "param": None, "code": "engine_stopped"}}


def application_builder(middleware: Sequence[str], *, deployment: str, application: str) -> Callable[[], ASGIApp]:
    """What Ray Serve calls within the ingress's process: an application behind this middleware, the last outermost."""

    def build() -> ASGIApp:
        handle = serve.get_deployment_handle(deployment, app_name=application)
        app: ASGIApp = Forward(handle.options(stream=True, method_name="forward"))
        for path in middleware:
            module, name = path.rsplit(".", 1)
            app = getattr(importlib.import_module(module), name)(app)
        return app

    return build


class Forward:
    """Hands each request to a replica. `/metrics` is the ingress's own: vLLM's go out by Ray's own port."""

    def __init__(self, handle: DeploymentHandle, *, waits: Sequence[float] = _WAITS_SECONDS) -> None:
        self._handle = handle
        self._waits = waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever becomes of the replicas meanwhile."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["path"] == "/metrics":
            await _send_metrics(send)
        else:
            body = await _read(receive)
            if body is not None:
                await self._answer(scope, body, send)

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        for wait in (*self._waits, None):
            if await self._ask(scope, body, send):
                return
            if wait is not None:
                await asyncio.sleep(wait)
        retry = [(b"retry-after", b"10")]
        message = "No engine could answer this request; ask once more."
        await send_error(scope, send, 503, message, code="engine_stopped", headers=retry)

    async def _ask(self, scope: Scope, body: bytes, send: Send) -> bool:
        """Ask one replica; returns False if it was lost before any of its reply was sent."""
        held: list[Message] = []
        has_begun = False
        try:
            async for message in self._handle.remote({name: scope[name] for name in _PASSED_ON}, body):
                if message["type"] == USAGE:
                    _note_usage(scope, message)
                elif has_begun:
                    await send(message)
                else:
                    held.append(message)
                    if message["type"] == "http.response.start" or _is_empty(message):
                        continue
                    if _is_dead(held):
                        return False
                    has_begun = True
                    for one in held:
                        await send(one)
        except _LOST:
            if not has_begun:
                return False
            await send({"type": "http.response.body", "body": _event(), "more_body": False})
        return True


def _is_empty(message: Message) -> bool:
    return not message.get("body") and bool(message.get("more_body", False))


def _is_dead(held: Sequence[Message]) -> bool:
    """Whether this is how vLLM says that its engine's process has ended, as a reply or as the first of a stream."""
    body: bytes = held[-1].get("body", b"")
    refused = held[0]["status"] >= 500 or body.startswith(b'data: {"error"')
    return refused and (ENGINE_DEAD.encode() in body or held[0]["status"] == 503)


def _event() -> bytes:
    return b"data: " + json.dumps(_EVENT).encode() + b"\n\ndata: [DONE]\n\n"


def _note_usage(scope: Scope, message: dict[str, Any]) -> None:
    """Where the middleware looks for it: as vLLM leaves it in a process of its own."""
    counted = {name: message[name] for name in ("prompt_tokens", "completion_tokens")}
    scope.setdefault("state", {})["request_metadata"] = SimpleNamespace(final_usage_info=SimpleNamespace(**counted))


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None if the client left. It is short: the limits have held it already."""
    body = bytearray()
    message: Message = {"more_body": True}
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
    return bytes(body)


async def _send_metrics(send: Send) -> None:
    headers = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": generate_latest()})


async def _lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})
