"""The arena: two models answer one prompt side by side; a person says which answer is better, then sees their names."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import escape
from typing import Any, cast, get_args

import openai
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from serve.chat.context import Context
from serve.chat.errors import explain
from serve.chat.events import event
from serve.chat.language import Texts, choose
from serve.chat.leaderboard import plot, ratings
from serve.chat.markdown import GrowingMarkdown
from serve.chat.standalone import scripted_page
from serve.chat.store.access import NotFoundError
from serve.chat.store.tables import new_id
from serve.chat.stream import ChatMessage, Reply, Settings
from serve.chat.votes import Tally, Vote, Winner, add_vote, count_blind_votes

_MOST_BATTLES = 1000
_LONGEST_PROMPT = 100_000
_SIDES = ("a", "b")


@dataclass(slots=True)
class Battle:
    """A prompt and its two answers, until somebody votes. `models` are those of side a and side b."""

    owner: str
    messages: list[ChatMessage]
    models: tuple[str, str]
    is_blind: bool
    answers: dict[str, str] = field(default_factory=dict)  # those that are over
    replies: dict[str, Reply] = field(default_factory=dict)

    def stop(self) -> None:
        """End what still grows."""
        for reply in self.replies.values():
            if not reply.is_over:
                reply.stop()


class Arena:
    """The battles of one app. The oldest ones that nobody voted on are forgotten."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._battles: OrderedDict[str, Battle] = OrderedDict()

    async def page(self, request: Request) -> Response:
        """The page with its leaderboard."""
        texts = choose(request.headers)
        try:
            models, hint = await self._models(), texts("arena.one_model")
        except openai.OpenAIError as error:  # the page opens whatever the server does
            models, hint = [], explain(error, texts, base_url=self._context.endpoint.url_of(""))
        options = "".join(f"<option>{escape(name)}</option>" for name in models)
        note = "" if len(models) > 1 else f'<p class="notice" role="status">{escape(hint)}</p>'
        return scripted_page("arena", texts, models=options, note=note, leaderboard=await self._leaderboard(texts))

    async def ask(self, request: Request, *, owner: str, body: dict[str, Any]) -> Response:
        """Begin a battle; its answers come as server-sent events of both sides, mixed as they grow.

        Raises ValueError for an empty or huge prompt, and where there are no two models.
        """
        prompt = str(body.get("prompt") or "")
        if not prompt.strip() or len(prompt) > _LONGEST_PROMPT:
            raise ValueError("no prompt")
        try:
            names = await self._models()
        except openai.OpenAIError as error:
            words = explain(error, choose(request.headers), base_url=self._context.endpoint.url_of(""))
            return JSONResponse({"error": words}, status_code=502)
        asked = [str(name) for name in body.get("models") or []]
        if asked and (len(asked) != len(_SIDES) or not set(asked) <= set(names)):
            raise ValueError("no such models")
        first, second = asked or random.sample(names, 2)
        battle = Battle(owner, [ChatMessage(role="user", content=prompt)], (first, second), is_blind=not asked)
        name = new_id()
        self._battles[name] = battle
        while len(self._battles) > _MOST_BATTLES:
            self._battles.popitem(last=False)
        events = self._events(name, battle, choose(request.headers))
        return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def stop(self, *, owner: str, body: dict[str, Any]) -> Response:
        """End both answers now; they can be voted on as they are. Raises NotFoundError as `vote` does."""
        name = str(body.get("id") or "")
        battle = self._battles.get(name)
        if battle is None or battle.owner != owner:
            raise NotFoundError(name)
        battle.stop()
        return JSONResponse({})

    async def vote(self, request: Request, *, owner: str, body: dict[str, Any]) -> Response:
        """Keep a vote; the names come back, and the new leaderboard.

        Raises NotFoundError for a battle that is another's, over, or not answered by both; ValueError for no winner.
        """
        name, winner = str(body.get("id") or ""), str(body.get("winner"))
        if winner not in get_args(Winner):
            raise ValueError("no winner")
        battle = self._battles.get(name)
        if battle is None or battle.owner != owner or len(battle.answers) < len(_SIDES):
            raise NotFoundError(name)
        del self._battles[name]
        kept = Vote(
            messages=battle.messages,
            model_a=battle.models[0],
            model_b=battle.models[1],
            answer_a=battle.answers["a"],
            answer_b=battle.answers["b"],
            winner=cast("Winner", winner),
            is_blind=battle.is_blind,
        )
        await asyncio.to_thread(add_vote, self._context.engine, kept, owner=owner)
        leaderboard = await self._leaderboard(choose(request.headers))
        return JSONResponse({"models": battle.models, "leaderboard": leaderboard})

    async def _events(self, name: str, battle: Battle, texts: Texts) -> AsyncIterator[str]:
        yield event({"id": name, "models": None if battle.is_blind else battle.models})
        said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        battle.replies = {
            side: self._context.endpoint.reply(battle.messages, Settings(model=model))
            for side, model in zip(_SIDES, battle.models, strict=True)
        }
        tellers = [asyncio.create_task(self._tell(side, battle, said, texts)) for side in _SIDES]
        try:
            for _ in _SIDES:
                while (told := await said.get()) is not None:
                    yield event(told)
            yield event({"over": len(battle.answers) == len(_SIDES)})
        finally:  # also where the page was closed in the middle
            for teller in tellers:
                teller.cancel()
            battle.stop()

    async def _tell(
        self, side: str, battle: Battle, said: "asyncio.Queue[dict[str, Any] | None]", texts: Texts
    ) -> None:
        """Put one side's answer into the queue as it grows, and None at its end."""
        markdown, reply = GrowingMarkdown(copy=texts("turn.copy")), battle.replies[side]
        try:
            async for text in reply.snapshots():
                await said.put({"side": side, **markdown.frame(text)})
            battle.answers[side] = reply.text
        except Exception as error:  # whatever a server of someone else's does, the other side goes on
            model = battle.models[_SIDES.index(side)]
            words = explain(error, texts, base_url=self._context.endpoint.url_of(model))
            await said.put({"side": side, "error": words})
        finally:
            await said.put(None)

    async def _models(self) -> list[str]:
        return [model.name for model in await self._context.endpoint.models()]

    async def _leaderboard(self, texts: Texts) -> str:
        tally = await asyncio.to_thread(count_blind_votes, self._context.engine)
        return await asyncio.to_thread(leaderboard_html, tally, texts)


def leaderboard_html(tally: Tally, texts: Texts) -> str:
    """The plot and the table of blind votes, or a line where there is none yet."""
    rows = ratings(tally)
    if not rows:
        return f"<p>{escape(texts('arena.no_votes'))}</p>"
    heads = "".join(
        f'<th scope="col">{escape(texts(f"arena.{key}"))}</th>'
        for key in ("model", "points", "interval", "wins", "ties", "losses", "both_bad_votes")
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row.model)}</th><td>{row.points:.0f}</td><td>{row.low:.0f} – {row.high:.0f}</td>'
        f"<td>{row.wins}</td><td>{row.ties}</td><td>{row.losses}</td><td>{row.both_bad}</td></tr>"
        for row in rows
    )
    table = f'<div class="table" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    return f"{plot(rows)}{table}<p>{escape(texts('arena.what_points_mean', votes=sum(tally.values())))}</p>"
