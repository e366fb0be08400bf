"""Streams that no proxy holds back. Keep-alive comments are vLLM's (`--sse-keep-alive-interval`)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.middleware.request_record import record_of

_HEADERS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


class StreamHeadersMiddleware:
    """Adds the headers by which nginx and its like pass server-sent events on at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all on; the pieces of a stream are counted on their way."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record, is_stream = record_of(scope), False

        async def add(message: Message) -> None:
            nonlocal is_stream
            if message["type"] == "http.response.start" and _is_stream(message):
                is_stream = True
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            elif is_stream and message.get("body", b"").startswith(b"data: "):
                record.events += 1
            await send(message)

        await self._app(scope, receive, add)


def _is_stream(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"]
    )
