"""`GET /v1/models/NAME`, which OpenAI's API has and vLLM has not: one card of its list."""

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.middleware.errors import send_error

LIST = "/v1/models"


class ModelCardMiddleware:
    """Answers with one card of vLLM's list; every other route passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the whole list, and send the card that was asked for."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{LIST}/"):
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app({**scope, "path": LIST, "raw_path": LIST.encode()}, receive, hold)
        listing = json.loads(b"".join(message.get("body", b"") for message in held[1:]))
        name = scope["path"].removeprefix(f"{LIST}/")
        card = next((card for card in listing.get("data", ()) if card["id"] == name), None)
        if card is None:
            message = f"The model `{name[:200]}` does not exist."
            await send_error(scope, send, 404, message, code="model_not_found", param="model")
            return
        body = json.dumps(card).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
