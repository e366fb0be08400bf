"""What is known of a request on its way: an id, whose key, which status. Written to the access log and the counters."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.middleware import counters
from serve.middleware.access_log import AccessLog
from serve.middleware.routes import ALLOWED
from serve.middleware.settings import read_settings

_IN_SCOPE = "chaku_request"


@dataclass
class RequestRecord:
    """One request. `tokens` are (prompt, completion), once the reply has ended."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    key: str | None = None
    model: str | None = None
    status: int = 0
    started: float = field(default_factory=time.monotonic)
    first_byte: float | None = None
    events: int = 0  # pieces of a stream that were sent
    is_complete: bool = False


def record_of(scope: Scope) -> RequestRecord:
    """The record of a request; middleware copies of the scope share it."""
    if _IN_SCOPE not in scope:
        scope[_IN_SCOPE] = RequestRecord()
    record: RequestRecord = scope[_IN_SCOPE]
    return record


def tokens_of(scope: Scope) -> tuple[int, int]:
    """Tokens of the prompt and of the reply, as vLLM counted them.

    A client that left before the end has no count: its reply is taken as one token for each piece that was sent.
    """
    usage: Any = getattr(scope.get("state", {}).get("request_metadata"), "final_usage_info", None)
    if usage is not None:
        return usage.prompt_tokens, usage.completion_tokens or 0
    return 0, record_of(scope).events


class RequestRecordMiddleware:
    """Gives each request an id (in its headers, for vLLM, and in the reply's), and writes down what became of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        path = read_settings().access_log
        self._log = AccessLog(path) if path else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the record is closed when its reply has ended, or its client has left."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The id is always ours: two requests with the same one would be confused.
        kept = [(name, value) for name, value in scope["headers"] if name != b"x-request-id"]
        record = RequestRecord()
        scope = {**scope, _IN_SCOPE: record, "headers": [*kept, (b"x-request-id", record.id.encode())]}
        scope.setdefault("state", {})

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"x-request-id"]
                message = {**message, "headers": [*others, (b"x-request-id", record.id.encode())]}
            elif message["type"] == "http.response.body":
                if record.first_byte is None:
                    record.first_byte = time.monotonic() - record.started
                record.is_complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._close(scope, record)

    def _close(self, scope: Scope, record: RequestRecord) -> None:
        prompt, completion = tokens_of(scope)
        # Whatever a client makes up counts as one: each label costs memory for as long as the server runs.
        route = scope["path"] if scope["path"] in ALLOWED else "other"
        counters.count(record.key, route, record.status, prompt_tokens=prompt, completion_tokens=completion)
        if self._log and scope["path"] != "/health":
            self._log.write(
                id=record.id,
                key=record.key,
                method=scope["method"],
                path=scope["path"],
                status=record.status,
                model=record.model,
                seconds=round(time.monotonic() - record.started, 4),
                first_byte=None if record.first_byte is None else round(record.first_byte, 4),
                prompt_tokens=prompt,
                completion_tokens=completion,
                complete=record.is_complete,
            )
