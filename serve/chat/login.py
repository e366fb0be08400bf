"""ASGI middleware: who may see the page. Without users the loopback alone, with them whoever logs in."""

import asyncio
import time
from collections import defaultdict, deque
from html import escape

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.chat.context import OWNER
from serve.chat.cookies import cookie
from serve.chat.language import choose
from serve.chat.standalone import plain_page
from serve.chat.user_file import SESSION_SECONDS, UserFile

COOKIE = "chaku_session"
ATTEMPTS_PER_MINUTE = 5

# What Gradio asks itself at its start, and what anybody who has a link may read.
_OPEN = frozenset(("/gradio_api/startup-events", "/share"))
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))


class LoopbackOnly:
    """Where nobody logs in: answers only to the machine's own names, so that no site can pose as one of them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request to another host's name (DNS rebinding)."""
        host = Headers(scope=scope).get("host", "") if scope["type"] in ("http", "websocket") else "localhost"
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name in _LOOPBACK:
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("This page answers only on localhost.", 421)(scope, receive, send)


class Login:
    """Shows a form to whoever is not logged in, and puts the name of who is into the request's scope."""

    def __init__(self, app: ASGIApp, *, users: UserFile) -> None:
        self._app, self._users = app, users
        self._attempts: defaultdict[str, deque[float]] = defaultdict(deque)
        self._guessing = asyncio.Semaphore(4)  # each guess takes 32 MiB for a moment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        name = self._users.who(cookie(headers, COOKIE))
        if scope["type"] == "http" and path in ("/login", "/logout"):
            await (await self._answer(Request(scope, receive), path))(scope, receive, send)
        elif name or path in _OPEN:
            await self._app({**scope, OWNER: name}, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif "text/html" in headers.get("accept", ""):
            await RedirectResponse("/login", status_code=303)(scope, receive, send)
        else:
            await JSONResponse({"error": "log in"}, status_code=401)(scope, receive, send)

    async def _answer(self, request: Request, path: str) -> Response:
        if path == "/logout":
            response = RedirectResponse("/login", status_code=303)
            response.delete_cookie(COOKIE)
            return response
        if request.method != "POST":
            return _form(request)
        async with request.form(max_fields=8, max_files=0) as form:
            name, password = str(form.get("name") or "")[:64], str(form.get("password") or "")[:1000]
        if self._is_too_often(name):
            return _form(request, wrong="login.wait", status=429)
        async with self._guessing:
            is_right = await asyncio.to_thread(self._users.check, name, password)
        if not is_right:
            return _form(request, wrong="login.wrong", status=401)
        self._attempts.pop(name, None)
        return self._welcome(request, name)

    def _welcome(self, request: Request, name: str) -> Response:
        response = RedirectResponse("/", status_code=303)
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        session = self._users.open_session(name)
        response.set_cookie(
            COOKIE, session, max_age=SESSION_SECONDS, httponly=True, samesite="lax", secure=is_secure, path="/"
        )
        return response

    def _is_too_often(self, name: str) -> bool:
        """Count an attempt for a name; those of the last minute decide."""
        now, attempts = time.monotonic(), self._attempts[name]
        while attempts and attempts[0] < now - 60:
            attempts.popleft()
        if len(attempts) >= ATTEMPTS_PER_MINUTE:
            return True
        attempts.append(now)
        if len(self._attempts) > 10_000:
            self._attempts.clear()
        return False


def _form(request: Request, *, wrong: str = "", status: int = 200) -> Response:
    texts = choose(request.headers)
    title = escape(texts("login.title"))
    said = f'<p class="failed" role="alert">{escape(texts(wrong))}</p>' if wrong else ""
    fields = "".join(
        f"<label>{escape(texts(f'login.{name}'))}"
        f'<input name="{name}" type="{kind}" autocomplete="{fill}" required></label>'
        for name, kind, fill in (("name", "text", "username"), ("password", "password", "current-password"))
    )
    body = f'{said}<form method="post" action="/login">{fields}<button>{title}</button></form>'
    return plain_page(texts, title="Chaku", note=texts("login.title"), body=body, status=status)
