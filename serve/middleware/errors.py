"""Every error in OpenAI's shape, whoever raised it: ``{"error": {"message", "type", "param", "code"}}``.

https://platform.openai.com/docs/guides/error-codes. Anthropic's routes carry ``"type": "error"`` beside it, which is
the shape that Anthropic's clients read.
"""

import json
import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_TOO_LONG = re.compile(r"maximum context length|max_model_len|longer than the maximum model length")
_ANTHROPIC = "/v1/messages"
# How vLLM says, to all requests that run, that its engine's process has ended.
ENGINE_DEAD = "EngineCore encountered an issue"
_STREAMED = b'data: {"error"'
_log = logging.getLogger(__name__)


def error_body(
    status: int, message: str, *, code: str | None = None, param: str | None = None, path: str = ""
) -> bytes:
    """The body of an error.

    >>> error_body(413, "The body is too large.", code="body_too_large")  # doctest: +ELLIPSIS
    b'{"error": {"message": "The body is too large.", "type": "invalid_request_error", "param": null, "code": ...}}'
    """
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    if path.startswith(_ANTHROPIC):
        body = {"type": "error", **body}
    return json.dumps(body).encode()


async def send_error(
    scope: Scope,
    send: Send,
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Headers = (),
) -> None:
    """Answer a request with an error."""
    body = error_body(status, message, code=code, param=param, path=scope["path"])
    await _send_whole(send, status, body, headers)


class ErrorsMiddleware:
    """Rewrites the errors of whatever is inside; all else passes, piece by piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold an error back until it is whole; an exception before the reply began is an error as well."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []
        has_begun = False

        async def rewrite(message: Message) -> None:
            nonlocal has_begun
            if held or (message["type"] == "http.response.start" and message["status"] >= 400):
                held.append(message)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    has_begun = True
                    await _send_rewritten(scope, held, send)
                return
            has_begun = True
            if message.get("body", b"").startswith(_STREAMED):
                message = {**message, "body": _rewritten_event(message["body"], scope["path"])}
            await send(message)

        try:
            await self._app(scope, receive, rewrite)
        except Exception:
            if has_begun:
                raise
            _log.exception("a request failed")
            await send_error(scope, send, 500, "The server failed at this request.", code="internal_error")


async def _send_rewritten(scope: Scope, held: Sequence[Message], send: Send) -> None:
    status, headers = held[0]["status"], held[0]["headers"]
    raw = b"".join(message.get("body", b"") for message in held[1:])
    kept = [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"content-type")]
    await _send_whole(send, status, rewritten(status, raw, path=scope["path"]), kept)


async def _send_whole(send: Send, status: int, body: bytes, headers: Headers) -> None:
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *own]})
    await send({"type": "http.response.body", "body": body})


def _rewritten_event(body: bytes, path: str) -> bytes:
    """An error within a stream, whose status was sent long before."""
    event, end, rest = body.partition(b"\n\n")
    raw = event.removeprefix(b"data: ")
    code = _parsed(raw).get("error", {}).get("code")
    return b"data: " + rewritten(code if isinstance(code, int) else 500, raw, path=path) + end + rest


def rewritten(status: int, raw: bytes, *, path: str) -> bytes:
    """An error's body in OpenAI's shape, whatever shape it has.

    >>> rewritten(404, b'{"detail": "Not Found"}', path="/v1/nope")
    b'{"error": {"message": "Not Found", "type": "not_found_error", "param": null, "code": "not_found"}}'
    """
    found = _parsed(raw)
    error = found.get("error", found)
    if not isinstance(error, dict):
        error = {"message": str(error)}
    message = str(error.get("message") or error.get("detail") or HTTPStatus(status).phrase)
    param, code = error.get("param"), error.get("code")
    if ENGINE_DEAD in message:
        message, code = "The engine stopped at this request, and is started again; ask once more.", "engine_stopped"
    if not isinstance(code, str):
        code = _code(status, message, param)
    param = param.removeprefix("body.") if isinstance(param, str) else "body"
    if param == "body" or param.isdecimal():  # the request as a whole, or a place in its text: no field
        param = None
    return error_body(status, message, code=code, param=param, path=path)


def _code(status: int, message: str, param: object) -> str | None:
    """OpenAI's code for one of vLLM's errors, where there is one."""
    if status == 400:
        return "context_length_exceeded" if _TOO_LONG.search(message) else None
    if status == 404:
        return "model_not_found" if param == "model" else "not_found"
    return {401: "invalid_api_key", 405: "method_not_allowed", 429: "rate_limit_exceeded"}.get(status)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {"message": raw.decode("utf-8", "replace").strip()}
    return found if isinstance(found, dict) else {"message": str(found)}
