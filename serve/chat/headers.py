"""ASGI middleware of the chat page: the browser runs only the page's own scripts and loads nothing from elsewhere."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers

from serve.chat.language import choose

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# Gradio sets styles on elements, so inline styles stay allowed; a reply's inline scripts and images do not get through.
# Only Gradio's page has scripts in itself, and holds nothing that people wrote: it alone is given nonces and labels.
_GRADIO = "/"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'nonce-{nonce}'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class PageHeaders:
    """Adds a content security policy and its companions to every response, and the nonce to Gradio's own scripts.

    The labels of Gradio's page become texts of the reader's language on the way.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request. A page is held back until it is whole; everything else streams through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        start: Message = {}
        page = bytearray()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers(nonce)]
                if scope["path"] == _GRADIO and _is_page(message):
                    start.update(message)
                    return
            elif start:
                page.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                translated = choose(Headers(scope=scope)).translate(page.decode()).encode()
                body = translated.replace(b"<script", b'<script nonce="' + nonce.encode() + b'"')
                start["headers"] = _with_length(start["headers"], len(body))
                await send(start)
                message = {"type": "http.response.body", "body": body}
            await send(message)

        await self._app(scope, receive, guarded)


def _headers(nonce: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", _POLICY.format(nonce=nonce).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        (b"x-dns-prefetch-control", b"off"),  # a link's host would be looked up before anybody follows it
    ]


def _is_page(message: Message) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"])


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]
