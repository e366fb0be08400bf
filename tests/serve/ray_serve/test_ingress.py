"""The ingress over replicas that a test scripts: what a client sees when one of them is lost."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ray.exceptions import ActorDiedError, RayActorError
from starlette.types import Message, Scope

from serve.middleware.errors import ErrorsMiddleware
from serve.middleware.request_record import tokens_of
from serve.ray_serve.ingress import Forward
from serve.ray_serve.replica import USAGE

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
BAD = {"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"application/json")]}
DEAD = b'{"error": {"message": "EngineCore encountered an issue. See stack trace", "code": 500}}'


def piece(text: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


class Replicas:
    """Each request takes the next script: messages, and errors that are raised."""

    def __init__(self, *scripts: Sequence[Any]) -> None:
        self.scripts, self.asked = list(scripts), 0

    async def remote(self, scope: Scope, body: bytes) -> AsyncIterator[Message]:
        script = self.scripts[min(self.asked, len(self.scripts) - 1)]
        self.asked += 1
        assert body == b'{"a": 1}'
        for item in script:
            if isinstance(item, Exception):
                raise item
            yield dict(item)


def ask(replicas: Replicas) -> tuple[int, bytes, Scope]:
    """The status and the body that a client gets, and the scope with what was noted."""
    sent: list[Message] = []
    waiting: list[Message] = [
        {"type": "http.request", "body": b'{"a": ', "more_body": True},
        {"type": "http.request", "body": b"1}"},
    ]
    scope: Scope = {"type": "http", "asgi": {}, "http_version": "1.1", "method": "POST", "scheme": "http"}
    scope.update(path="/v1/chat/completions", raw_path=b"", query_string=b"", headers=[])

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(ErrorsMiddleware(Forward(replicas, waits=(0.0, 0.0)))(scope, receive, send))
    assert not sent[-1].get("more_body", False)
    body: bytes = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], body, scope


def test_a_reply_passes_as_it_is_and_its_cost_is_noted() -> None:
    usage = {"type": USAGE, "prompt_tokens": 5, "completion_tokens": 2}
    status, body, scope = ask(Replicas([START, piece(b"data: a\n\n"), piece(b"", more=False), usage]))
    assert (status, body) == (200, b"data: a\n\n")
    assert tokens_of(scope) == (5, 2)


def test_a_replica_that_dies_before_the_first_piece_is_not_noticed() -> None:
    whole = [START, piece(b"data: a\n\n", more=False)]
    for lost in ([ActorDiedError()], [START, RayActorError()], [BAD, piece(DEAD, more=False)]):
        replicas = Replicas(lost, lost, whole)
        assert ask(replicas)[:2] == (200, b"data: a\n\n")
        assert replicas.asked == 3


def test_an_engine_that_dies_as_the_stream_begins_is_not_noticed() -> None:
    replicas = Replicas([START, piece(b"data: " + DEAD + b"\n\n")], [START, piece(b"data: a\n\n", more=False)])
    assert ask(replicas)[:2] == (200, b"data: a\n\n")


def test_a_stream_that_had_begun_ends_with_an_event() -> None:
    replicas = Replicas([START, piece(b"data: a\n\n"), ActorDiedError()])
    status, body, _ = ask(replicas)
    events = body.decode().split("\n\n")
    assert (status, replicas.asked, events[0], events[2]) == (200, 1, "data: a", "data: [DONE]")
    assert json.loads(events[1].removeprefix("data: "))["error"]["code"] == "engine_stopped"


def test_a_request_that_ends_every_engine_is_asked_no_more() -> None:
    replicas = Replicas([ActorDiedError()])
    status, body, _ = ask(replicas)
    assert (status, json.loads(body)["error"]["code"], replicas.asked) == (503, "engine_stopped", 3)


def test_an_error_of_the_request_is_not_tried_again() -> None:
    refused = {**BAD, "status": 400}
    replicas = Replicas([refused, piece(b'{"error": {"message": "no", "code": 400}}', more=False)])
    assert ask(replicas)[0] == 400
    assert replicas.asked == 1
