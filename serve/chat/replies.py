"""Replies live on the server: they go on when the page is closed, and what has come of them is in the database.

A process that ends loses at most the last second of a reply; the next one finds it ``cut`` and can go on with it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

from sqlalchemy import Engine, update
from sqlalchemy.exc import SQLAlchemyError

from serve.chat.endpoints import Endpoints
from serve.chat.errors import describe
from serve.chat.fitting import fit
from serve.chat.store.access import transaction
from serve.chat.store.tables import Message
from serve.chat.stream import SNAPSHOT_SECONDS, ChatMessage, Reply, Settings, with_system

SAVE_SECONDS = 0.8  # a kill loses less than a second

_log = logging.getLogger(__name__)


class Growing:
    """One reply while it grows. Any number of pages may watch it."""

    def __init__(self, message: Message) -> None:
        self.message, self.text = message, message.content
        self.is_over = False
        self._is_stopped = False
        self._reply: Reply | None = None
        self._changed = asyncio.Event()

    async def texts(self) -> AsyncIterator[str]:
        """The text so far: at once, then whenever it has grown, at most every `SNAPSHOT_SECONDS`."""
        shown = ""
        while True:
            changed, is_over = self._changed, self.is_over
            if self.text != shown:
                shown = self.text
                yield shown
            if is_over:
                return
            if self._changed is changed:
                await changed.wait()
            elif not self.is_over:
                await asyncio.sleep(SNAPSHOT_SECONDS)

    def stop(self) -> None:
        """End it now; what has come stays."""
        self._is_stopped = True
        if self._reply:
            self._reply.stop()

    async def grow(self, engine: Engine, endpoint: Endpoints, asked: list[ChatMessage], settings: Settings) -> None:
        """Ask, keep what comes as it comes, and note how it ended."""
        message, before, ended = self.message, self.message.content, asyncio.Event()
        keeping = asyncio.create_task(self._keep(engine, ended))
        try:
            asked = await self._fit(endpoint, asked, settings)
            if self._is_stopped:
                message.state = "stopped"
                return
            self._reply = endpoint.reply(asked, settings)
            async for text in self._reply.snapshots():
                self._set(before + text)
            message.state = "stopped" if self._is_stopped else "whole"
            message.finish_reason = self._reply.finish_reason or ""
        except Exception as error:  # whatever a server of someone else's does, what came is kept
            _log.warning("a reply failed: %r", error)
            message.state, message.error = "failed", describe(error, has_begun=bool(self.text.strip()))
        finally:
            ended.set()
            await keeping
            message.content = self.text
            self._count()
            await asyncio.to_thread(save, engine, message)
            self.is_over = True
            self._wake()

    async def _keep(self, engine: Engine, ended: asyncio.Event) -> None:
        """Write what has come every `SAVE_SECONDS`, also while the model is silent for a while.

        A database that takes nothing for a while does not end the reply: the next time, or its end, writes all of it.
        """
        kept = self.message.content
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), SAVE_SECONDS)
            if self.text != kept and not ended.is_set():
                self.message.content = text = self.text
                try:
                    await asyncio.to_thread(save, engine, self.message)
                    kept = text
                except SQLAlchemyError as error:
                    _log.warning("a reply that grows is not kept yet: %r", error)

    async def _fit(self, endpoint: Endpoints, asked: list[ChatMessage], settings: Settings) -> list[ChatMessage]:
        context = await endpoint.context(settings.model)
        messages = with_system(settings.system, asked)
        fitted = await fit(
            messages,
            context=context,
            max_tokens=settings.max_tokens,
            count=lambda some: endpoint.count(some, settings.model),
        )
        # the page's columns of its own that no other table needs
        self.message.sampling = {**self.message.sampling, "context": context, "left_out": fitted.left_out}
        return fitted.messages[len(messages) - len(asked) :]

    def _count(self) -> None:
        usage = self._reply.usage if self._reply else None
        if usage:
            self.message.prompt_tokens, self.message.completion_tokens = usage.prompt_tokens, usage.completion_tokens
            self.message.seconds_to_first, self.message.seconds = usage.seconds_to_first, usage.seconds

    def _set(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Replies:
    """All replies that grow in this process, by the id of their message."""

    def __init__(self, engine: Engine, endpoint: Endpoints) -> None:
        self._engine, self._endpoint = engine, endpoint
        self._growing: dict[str, Growing] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.resuming = asyncio.Lock()  # held from the look whether a reply grows until it does

    def start(self, message: Message, asked: Sequence[ChatMessage], settings: Settings) -> Growing:
        """Let a stored message of state ``growing`` grow; a text that it has already goes on."""
        growing = self._growing[message.id] = Growing(message)
        task = asyncio.create_task(self._run(growing, list(asked), settings))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return growing

    def get(self, message: str) -> Growing | None:
        """The reply of this id, if it grows."""
        return self._growing.get(message)

    def save_all(self) -> None:
        """Keep what has come of all replies, as cut: for the end of the process."""
        for growing in list(self._growing.values()):
            growing.message.content, growing.message.state = growing.text, "cut"
            save(self._engine, growing.message)

    async def _run(self, growing: Growing, asked: list[ChatMessage], settings: Settings) -> None:
        try:
            if growing.text and settings.continues:
                asked = [*asked, ChatMessage(role="assistant", content=growing.text)]
            await growing.grow(self._engine, self._endpoint, asked, settings)
            if _refuses_to_continue(growing, settings):
                growing.is_over, growing.text, growing.message.content = False, "", ""
                await growing.grow(self._engine, self._endpoint, asked[:-1], replace(settings, continues=False))
        finally:
            del self._growing[growing.message.id]


def _refuses_to_continue(growing: Growing, settings: Settings) -> bool:
    """A server that cannot go on with a reply says so by a 400: then the reply is made anew."""
    return settings.continues and growing.message.state == "failed" and growing.message.error.startswith("400 ")


def save(engine: Engine, message: Message) -> None:
    """Write what changes while a reply grows. A message that was deleted meanwhile stays deleted."""
    columns = ("content", "state", "error", "sampling", "finish_reason", "prompt_tokens", "completion_tokens")
    values = {name: getattr(message, name) for name in (*columns, "seconds_to_first", "seconds")}
    with transaction(engine) as session:
        session.execute(update(Message).where(Message.id == message.id).values(**values, updated=time.time()))


def mark_cut(engine: Engine) -> None:
    """At the start of the process: whatever still grew when the last one ended was cut there."""
    with transaction(engine) as session:
        session.execute(update(Message).where(Message.state == "growing").values(state="cut"))
