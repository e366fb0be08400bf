"""What the page's buttons do to a conversation; each ends with the conversation as it is then shown."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Engine

from serve.chat.context import Context
from serve.chat.replies import Replies, save
from serve.chat.store import conversations, messages
from serve.chat.store.tables import Conversation, Message
from serve.chat.stream import ChatMessage, Settings

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Actions:
    """The actions of one person."""

    context: Context
    replies: Replies
    owner: str

    async def ask(self, do: str, target: str, text: str, settings: Settings) -> str:
        """What makes the model speak, by the name of the button; returns the conversation's id."""
        match do:
            case "send":
                return await self.send(target, text, settings)
            case "edit":
                return await self.edit(target, text, settings)
            case "continue":
                return await self.go_on(target, settings)
            case _:
                return await self.regenerate(target, settings)

    async def send(self, conversation: str, text: str, settings: Settings) -> str:
        """Ask a question at the end of a conversation, or in a new one where it is empty; returns whose id it is."""
        if not conversation:
            made = await self._store(conversations.create, model=settings.model, settings={})
            conversation = made.id
        await self._configure(conversation, settings)
        await self._store(messages.add, conversation, role="user", content=text)
        reply = await self._store(messages.add, conversation, role="assistant", content="", **_begun(settings))
        await self.start(reply, settings)
        return conversation

    async def regenerate(self, message: str, settings: Settings) -> str:
        """A further reply in the place of one; one of which nothing came is replaced."""
        old = await self._store(messages.get, message)
        await self._configure(old.conversation, settings)
        if old.state in ("failed", "stopped", "cut") and not old.content:
            await self.resume(message, settings)
            return old.conversation
        reply = await self._store(messages.add_sibling, message, content="", **_begun(settings))
        await self.start(reply, settings)
        return old.conversation

    async def go_on(self, message: str, settings: Settings) -> str:
        """Let a reply that ended too early go on, with the model that began it."""
        await self.resume(message, settings)
        return (await self._store(messages.get, message)).conversation

    async def edit(self, message: str, text: str, settings: Settings) -> str:
        """Ask an edited question on a branch of its own, or keep a correction beside the reply that it corrects."""
        old = await self._store(messages.get, message)
        if old.role == "assistant":
            await self._store(messages.correct, message, text)
            return old.conversation
        await self._store(messages.add_sibling, message, content=text)
        reply = await self._store(messages.add, old.conversation, role="assistant", content="", **_begun(settings))
        await self.start(reply, settings)
        return old.conversation

    async def remove(self, message: str) -> str:
        """Delete a message and what follows it; replies that grow there are stopped."""
        old = await self._store(messages.get, message)
        branch = await self._store(messages.branch, old.conversation)
        for each in branch.messages:
            self.stop(each.id)
        await self._store(messages.remove, message)
        return old.conversation

    def stop(self, message: str) -> None:
        """Stop a reply, if it grows."""
        if growing := self.replies.get(message):
            growing.stop()

    async def start(self, reply: Message, settings: Settings) -> None:
        """Let a stored reply grow, from what leads up to it."""
        path = await self._store(messages.before, reply.id)
        self.replies.start(reply, as_request(path[:-1]), settings)

    async def resume(self, message: str, settings: Settings) -> None:
        """Let a stored reply that is over grow again, once where two pages or clicks ask for it at a time."""
        async with self.replies.resuming:
            if self.replies.get(message):
                return
            reply = await self._store(messages.get, message)
            reply.state, reply.error, reply.finish_reason, reply.model = "growing", "", "", settings.model
            await asyncio.to_thread(save, self.context.engine, reply)
            path = await self._store(messages.before, message)
            self.replies.start(reply, as_request(path[:-1]), replace(settings, continues=bool(reply.content)))

    async def _configure(self, conversation: str, settings: Settings) -> None:
        await self._store(
            conversations.configure,
            conversation,
            model=settings.model,
            system=settings.system,
            settings=sampling(settings),
        )

    async def _store(
        self, call: Callable[Concatenate[Engine, str, Given], Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """A call of the store for this person, off the event loop."""
        return await asyncio.to_thread(call, self.context.engine, self.owner, *args, **kwargs)


def sampling(settings: Settings) -> dict[str, Any]:
    """What is kept of the settings with a conversation and with each reply."""
    return {name: getattr(settings, name) for name in ("temperature", "top_p", "max_tokens", "seed")}


def settings_of(given: dict[str, Any], model: str) -> Settings:
    """The page's settings, within their bounds. Raises ValueError for what is no number."""
    return Settings(
        model=str(given.get("model") or model)[:400],
        system=str(given.get("system") or ""),
        temperature=_number(given.get("temperature"), 0, 2),
        top_p=_number(given.get("top_p"), 0.01, 1),
        max_tokens=int(_number(given.get("max_tokens"), 0, 2**31) or 0),
        seed=None if given.get("seed") in (None, "") else int(_number(given["seed"], 0, 2**31) or 0),
    )


def as_request(path: list[Message]) -> list[ChatMessage]:
    """The messages of a request: empty replies are left out, and questions that then follow each other are joined."""
    request: list[ChatMessage] = []
    for message in path:
        if not message.content.strip():
            continue
        if request and request[-1]["role"] == message.role:
            joined = f"{request[-1]['content']}\n\n{message.content}"
            request[-1] = ChatMessage(role=message.role, content=joined)
        else:
            request.append(ChatMessage(role=message.role, content=message.content))
    return request


def settings_shown(conversation: Conversation) -> dict[str, Any]:
    """A conversation's settings as the page's fields hold them."""
    return {**conversation.settings, "model": conversation.model, "system": conversation.system}


def _begun(settings: Settings) -> dict[str, Any]:
    return {"state": "growing", "model": settings.model, "sampling": sampling(settings)}


def _number(value: Any, least: float, most: float) -> float | None:  # noqa: ANN401 whatever a page sent
    if value in (None, ""):
        return None
    return min(most, max(least, float(value)))
