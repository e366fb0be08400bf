"""Which of vLLM's routes are open. It has more, some of which reload weights or answer past the rules."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.middleware.errors import send_error

# Those that make a reply, and so count against a key's limits.
GENERATING = frozenset(("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"))
ALLOWED = {
    "/health": "GET",
    "/version": "GET",
    "/metrics": "GET",
    "/openapi.json": "GET",
    "/v1/models": "GET",
    "/tokenize": "POST",
    "/detokenize": "POST",
    "/v1/messages/count_tokens": "POST",
    **dict.fromkeys(GENERATING, "POST"),
}


_CARDS = "/v1/models/"


def method_of(path: str) -> str | None:
    """The method that a path takes, or None where there is nothing. Below `/v1/models/` lies a card of each model."""
    return "GET" if path.startswith(_CARDS) and path != _CARDS else ALLOWED.get(path)


class RoutesMiddleware:
    """Answers 404 for whatever is not on the list, and refuses WebSockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on only if its method and path are on the list, letter by letter."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http" or method_of(scope["path"]) == scope["method"]:
            await self._app(scope, receive, send)
        elif method := method_of(scope["path"]):
            allow = [(b"allow", method.encode())]
            message = f"{scope['path'][:200]} takes {method}."
            await send_error(scope, send, 405, message, code="method_not_allowed", headers=allow)
        else:
            message = f"There is no {scope['method']} {scope['path'][:200]} here."
            await send_error(scope, send, 404, message, code="unknown_url")
