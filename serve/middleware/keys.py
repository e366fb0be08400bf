"""Who asks: a key in `Authorization: Bearer`, on every route but `/health`; without a file of keys, anybody."""

import hmac
from dataclasses import replace
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.key_file import Key, KeyFile, digest
from serve.middleware.errors import send_error
from serve.middleware.request_record import record_of
from serve.middleware.settings import Limits, read_settings

_OPEN = "/health"
_PAGE = "chat page"
_IN_SCOPE = "chaku_key"


class KeysMiddleware:
    """Answers 401 without a key of the file, which is read again whenever it has changed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        settings = read_settings()
        self._keys = KeyFile(Path(settings.keys_file)) if settings.keys_file else None
        self._page_key = settings.page_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its key's name on record."""
        if self._keys is None or scope["type"] == "lifespan" or scope["path"] == _OPEN:
            await self._app(scope, receive, send)
            return
        key = self._key(_bearer(scope))
        if key is not None:
            record_of(scope).key = key.name
            scope[_IN_SCOPE] = key
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            message = (
                "This server needs a key of its own: Authorization: Bearer KEY. It got none, or one it does not know."
            )
            challenge = [(b"www-authenticate", b"Bearer")]
            await send_error(scope, send, 401, message, code="invalid_api_key", headers=challenge)

    def _key(self, text: str) -> Key | None:
        if self._page_key and hmac.compare_digest(digest(text, salt=""), self._page_key):
            return Key(id="", name=_PAGE, salt="", digest="", created="")
        return self._keys.find(text) if self._keys else None


def limits_of(scope: Scope, limits: Limits) -> Limits:
    """The server's limits with those that the request's key has of its own."""
    key: Key | None = scope.get(_IN_SCOPE)
    return replace(limits, **key.limits) if key and key.limits else limits


def _bearer(scope: Scope) -> str:
    """The key in the one header that may hold it, or ''. Two such headers are none."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, text = values[0].decode("latin-1").partition(" ") if len(values) == 1 else ("", "", "")
    return text.strip() if scheme.lower() == "bearer" else ""
