"""What the page's script asks the server for, besides Gradio's own routes. Every answer is for one person alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import openai
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from serve.chat import data_page
from serve.chat.actions import Actions, settings_of, settings_shown
from serve.chat.arena import Arena
from serve.chat.context import OWNER, Context
from serve.chat.events import event
from serve.chat.inspector import inspect_page
from serve.chat.language import Texts, choose
from serve.chat.list_html import list_html
from serve.chat.markdown import GrowingMarkdown
from serve.chat.replies import Growing, Replies
from serve.chat.share import share_page
from serve.chat.starting import why_silent
from serve.chat.store import conversations, messages, shares
from serve.chat.store.access import NotFoundError
from serve.chat.store.tables import Message
from serve.chat.theme import ASSETS
from serve.chat.turn_html import branch_html
from serve.chat.welcome_html import welcome_html

HEADER = "x-chaku"  # no other site's page can send it with a request of its own
_LONGEST_BODY = 4_000_000
_ASSETS = {
    **dict.fromkeys(("turns.css", "standalone.css", "arena.css", "data.css"), "text/css"),
    **dict.fromkeys((path.name for path in ASSETS.glob("*.js")), "text/javascript"),
}
_TURN_TEXTS = ("turn.save", "turn.cancel", "turn.edit")
_FRAME_TEXTS = ("page.offline", "page.unreached", "page.conversation", "page.conversations", "page.close")
_SCRIPT_TEXTS = (*_FRAME_TEXTS, "list.undo", "list.deleted", *_TURN_TEXTS)

Body = dict[str, Any]


class Routes:
    """The routes of one app."""

    def __init__(self, context: Context, replies: Replies) -> None:
        self.context, self.replies, self.arena = context, replies, Arena(context)

    def all(self) -> list[BaseRoute]:
        """For `FastAPI(routes=...)`, before Gradio's own."""
        return [
            *(Route(f"/chat/{name}", _asset(name)) for name in _ASSETS),
            Route("/chat/start", self._guarded(self.start)),
            Route("/chat/conversation", self._guarded(self.conversation)),
            Route("/chat/list", self._guarded(self.list)),
            Route("/chat/raw", self._guarded(self.raw)),
            Route("/chat/stream", self._guarded(self.stream)),
            Route("/chat/act", self._guarded(self.act), methods=["POST"]),
            Route("/arena", self._guarded(self.arena.page)),
            Route("/chat/arena/ask", self._guarded(self.battle), methods=["POST"]),
            Route("/chat/arena/stop", self._guarded(self.stop_battle), methods=["POST"]),
            Route("/chat/arena/vote", self._guarded(self.vote), methods=["POST"]),
            Route("/data", self._guarded(self.data)),
            Route("/chat/data/mark", self._guarded(self.mark), methods=["POST"]),
            Route("/chat/data/export", self._guarded(self.download)),
            Route("/chat/data/import", self._guarded(self.upload), methods=["POST"]),
            Route("/inspect", self._guarded(self.inspect)),
            Route("/share", self.share),
        ]

    async def start(self, request: Request) -> Response:
        """What an opened page shows: models, texts of the script, and how nothing looks yet."""
        texts = choose(request.headers)
        try:
            models = [model.name for model in await self.context.endpoint.models()]
        except openai.OpenAIError:  # the page opens whatever the server does
            models = []
        notice = " ".join(why_silent(url, texts) for url in self.context.endpoint.silent)
        said = {key: texts(key) for key in _SCRIPT_TEXTS}
        person = _owner(request)
        welcome = welcome_html(texts, is_known=bool(person))
        return JSONResponse({"models": models, "notice": notice, "texts": said, "person": person, **welcome})

    async def conversation(self, request: Request) -> Response:
        """A conversation as it is shown now."""
        return await self._view(request, request.query_params.get("c", ""))

    async def list(self, request: Request) -> Response:
        """The side bar's list."""
        search = request.query_params.get("q", "")[:200]
        found = await asyncio.to_thread(conversations.listed, self.context.engine, _owner(request), search=search)
        return JSONResponse({"html": list_html(found, choose(request.headers), search=search)})

    async def raw(self, request: Request) -> Response:
        """A message's text as it was written."""
        return PlainTextResponse((await self._message(request)).content)

    async def stream(self, request: Request) -> Response:
        """A reply as it grows, in server-sent events: what of the last blocks changed."""
        message = await self._message(request)
        growing = self.replies.get(message.id)
        events = _events(growing, choose(request.headers)) if growing else _over()
        return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def act(self, request: Request) -> Response:
        """Do what a button says, and show the conversation as it then is."""
        body = await _body(request)
        owner, engine = _owner(request), self.context.engine
        actions = Actions(self.context, self.replies, owner)
        target, text = str(body.get("id") or ""), str(body.get("text") or "")
        do = str(body.get("do"))
        if do in ("send", "edit", "regenerate", "retry", "continue"):
            settings = settings_of(body.get("settings") or {}, await self._model())
            if do in ("send", "edit") and not text.strip():
                return JSONResponse({"error": "empty"}, status_code=400)
            return await self._view(request, await actions.ask(do, target, text, settings))
        if do == "stop":
            await asyncio.to_thread(messages.get, engine, owner, target)
            actions.stop(target)
            return JSONResponse({})
        if do == "remove_message":
            return await self._view(request, await actions.remove(target))
        return await self._change(request, do, target, text, body)

    async def _change(self, request: Request, do: str, target: str, text: str, body: Body) -> Response:
        """Changes of the store alone."""
        engine, owner = self.context.engine, _owner(request)
        if do in ("show", "judge"):
            message = await asyncio.to_thread(messages.get, engine, owner, target)
            if do == "show":
                await asyncio.to_thread(messages.show, engine, owner, target)
            else:
                thumb = int(body.get("thumb") or 0)
                await asyncio.to_thread(messages.judge, engine, owner, target, thumb=thumb, reason=text[:1000])
            return await self._view(request, message.conversation)
        if do == "undo":
            conversation = (await asyncio.to_thread(messages.get, engine, owner, target)).conversation
            draft = await asyncio.to_thread(messages.undo, engine, owner, conversation)
            return await self._view(request, conversation, draft=draft)
        changes: dict[str, Callable[[], object]] = {
            "rename": lambda: conversations.rename(engine, owner, target, text),
            "pin": lambda: conversations.pin(engine, owner, target, is_pinned=bool(body.get("is_pinned"))),
            "remove": lambda: conversations.remove(engine, owner, target),
            "restore": lambda: conversations.restore(engine, owner, target),
            "share": lambda: {"token": shares.share(engine, owner, target)},
            "revoke": lambda: shares.revoke(engine, owner, target),
        }
        if do not in changes:
            return JSONResponse({"error": "unknown"}, status_code=400)
        return JSONResponse(await asyncio.to_thread(changes[do]) or {})

    async def battle(self, request: Request) -> Response:
        """Two answers to one prompt, as they grow."""
        return await self.arena.ask(request, owner=_owner(request), body=await _body(request))

    async def stop_battle(self, request: Request) -> Response:
        """End its answers where they are."""
        return await self.arena.stop(owner=_owner(request), body=await _body(request))

    async def vote(self, request: Request) -> Response:
        """Which of them is better."""
        return await self.arena.vote(request, owner=_owner(request), body=await _body(request))

    async def data(self, request: Request) -> Response:
        """Conversations as training data."""
        return await data_page.data_page(self.context, request, owner=_owner(request))

    async def mark(self, request: Request) -> Response:
        """Which conversations are for training."""
        return await data_page.mark(self.context, owner=_owner(request), body=await _body(request))

    async def download(self, request: Request) -> Response:
        """A person's chats as a file."""
        return await data_page.download(self.context, request, owner=_owner(request))

    async def upload(self, request: Request) -> Response:
        """A dump into a person's chats."""
        return await data_page.upload(self.context, request, owner=_owner(request))

    async def inspect(self, request: Request) -> Response:
        """A message's prompt as tokens."""
        return await inspect_page(self.context, request, owner=_owner(request))

    async def share(self, request: Request) -> Response:
        """A shared conversation, for anybody who has the link."""
        return await asyncio.to_thread(share_page, self.context, request)

    async def _model(self) -> str:
        try:
            return await self.context.endpoint.model()
        except openai.OpenAIError:  # the reply itself will say what is wrong
            return ""

    async def _message(self, request: Request) -> Message:
        target = request.query_params.get("m", "")
        return await asyncio.to_thread(messages.get, self.context.engine, _owner(request), target)

    async def _view(self, request: Request, conversation: str, **more: object) -> Response:
        texts = choose(request.headers)
        branch = await asyncio.to_thread(messages.branch, self.context.engine, _owner(request), conversation)
        growing = [message.id for message in branch.messages if message.state == "growing"]
        return JSONResponse(
            {
                "id": conversation,
                "title": branch.conversation.title,
                "html": branch_html(branch, texts, url_of=self.context.endpoint.url_of),
                "growing": growing[-1] if growing else "",
                "settings": settings_shown(branch.conversation),
                **more,
            }
        )

    def _guarded(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Answers 404 for what is absent or another's, 400 for what is malformed, 403 for another site's request."""

        async def guarded(request: Request) -> Response:
            if request.method == "POST" and request.headers.get(HEADER) != "1":
                return JSONResponse({"error": "forbidden"}, status_code=403)
            try:
                return await handle(request)
            except NotFoundError:
                return JSONResponse({"error": _lost(choose(request.headers))}, status_code=404)
            except (ValueError, TypeError, OverflowError):
                return JSONResponse({"error": "malformed"}, status_code=400)

        return guarded


async def _events(growing: Growing, texts: Texts) -> AsyncIterator[str]:
    markdown = GrowingMarkdown(copy=texts("turn.copy"))
    async for text in growing.texts():
        yield event(markdown.frame(text))
    yield event({}, "end")


async def _over() -> AsyncIterator[str]:
    yield event({}, "end")


async def _body(request: Request) -> Body:
    if int(request.headers.get("content-length") or 0) > _LONGEST_BODY:
        raise ValueError("too long")
    body = await request.json()
    if not isinstance(body, dict):
        raise TypeError("no object")
    return body


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_: Request) -> Response:
        headers = {"cache-control": "no-cache"}
        return FileResponse(ASSETS / name, media_type=_ASSETS[name], headers=headers)

    return serve


def _owner(request: Request) -> str:
    name: str = request.scope.get(OWNER, "")
    return name


def _lost(texts: Texts) -> str:
    return texts("page.lost")
