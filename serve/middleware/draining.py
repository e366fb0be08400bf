"""A server that is asked to stop takes no more requests, while those that run may finish."""

from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.middleware.errors import send_error
from serve.middleware.settings import read_settings

RETRY_AFTER_SECONDS = 10
# How many requests still run, for the supervisor, which asks `/health` until there are none.
RUNNING_HEADER = "x-chaku-running"


class DrainingMiddleware:
    """Answers 503 with Retry-After as soon as the supervisor has put its file there, on `/health` too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        path = read_settings().draining_file
        self._file = Path(path) if path else None
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        if scope["type"] == "http" and self._file is not None and self._file.exists():
            numbers = {"retry-after": RETRY_AFTER_SECONDS, RUNNING_HEADER: self._running}
            headers = [(name.encode(), str(number).encode()) for name, number in numbers.items()]
            headers.append((b"connection", b"close"))
            await send_error(scope, send, 503, "The server is stopping.", code="server_stopping", headers=headers)
            return
        self._running += scope["type"] == "http"
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= scope["type"] == "http"
