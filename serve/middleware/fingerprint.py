"""Shows in `/v1/models` by which prompts a model is served. Loaded by vLLM through `--middleware`."""

import json
import os

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# `chaku serve` hands the digest to vLLM's process in this variable.
VARIABLE = "CHAKU_FINGERPRINT"
IMPORT_PATH = "serve.middleware.fingerprint.FingerprintMiddleware"


class FingerprintMiddleware:
    """Adds ``"chaku": {"fingerprint": DIGEST}`` to each model card; every other route passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._fingerprint = os.environ[VARIABLE]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold back the answer to `GET /v1/models` until it is whole, and send it with the digest."""
        if scope["type"] != "http" or scope["path"] != "/v1/models" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        start, body = held[0], b"".join(message.get("body", b"") for message in held[1:])
        if start["status"] == 200:
            body = self._with_fingerprint(body)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    def _with_fingerprint(self, body: bytes) -> bytes:
        listing = json.loads(body)
        for card in listing["data"]:
            card["chaku"] = {"fingerprint": self._fingerprint}
        return json.dumps(listing).encode()
