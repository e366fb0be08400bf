"""Ends replies where the template does, for formats that end them with plain text. Loaded by vLLM by `--middleware`.

vLLM reads token ids to stop at from `generation_config.json`, but no strings; a request has to bring them along.
"""

import json
import os
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# `chaku serve` hands the strings to vLLM's process in this variable, as a JSON list.
VARIABLE = "CHAKU_STOP_STRINGS"
IMPORT_PATH = "serve.middleware.stop_strings.StopStringsMiddleware"
# The routes that render a template, and the field in which each takes strings to stop at.
_FIELDS = {
    "/v1/chat/completions": "stop",
    "/v1/responses": "stop",
    "/v1/messages": "stop_sequences",
}


class StopStringsMiddleware:
    """Adds the template's stop strings to each request for a reply; every other route passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._strings: list[str] = json.loads(os.environ[VARIABLE])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the request's body, add the strings, and hand it on; what follows the body is the client's own."""
        if scope["type"] != "http" or scope["path"] not in _FIELDS or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        message: Message = {"type": "http.request", "more_body": True}
        while message["type"] == "http.request" and message.get("more_body", False):
            message = await receive()
            body += message.get("body", b"")
        if message["type"] == "http.request":
            message = {
                "type": "http.request",
                "body": with_stop(bytes(body), self._strings, field=_FIELDS[scope["path"]]),
                "more_body": False,
            }
            length = (b"content-length", str(len(message["body"])).encode())
            kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _OF_THE_BODY]
            scope = {**scope, "headers": [*kept, length]}
        waiting = [message]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


_OF_THE_BODY = (b"content-length", b"transfer-encoding")


def with_stop(body: bytes, strings: Sequence[str], *, field: str = "stop") -> bytes:
    """The body with these stop strings beside its own; unchanged where it is not a request that has them.

    >>> with_stop(b'{"model": "m", "stop": "END"}', ["\\n###"])
    b'{"model": "m", "stop": ["END", "\\\\n###"]}'
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(request, dict):
        return body
    own = request.get(field)
    stops = [own] if isinstance(own, str) else own or []
    if not isinstance(stops, list):
        return body
    request[field] = [*stops, *(string for string in strings if string not in stops)]
    return json.dumps(request).encode()
