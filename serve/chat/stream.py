"""A streamed reply of any OpenAI-compatible endpoint: text that grows, and can be stopped."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, omit
from openai.types.chat import ChatCompletionMessageParam

SNAPSHOT_SECONDS = 0.05  # twenty updates a second look fluent and leave the browser time
_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 600.0  # a long prompt on a CPU takes minutes to its first token

_CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}  # vLLM's own

ChatMessage = dict[str, str]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which model to ask, and how to sample; what is None is left to the server, which knows its model's defaults.

    An empty `model` is the first that the API lists, `max_tokens` of 0 is as many as fit. `continues` lets the last
    message, a reply, go on.
    """

    model: str = ""
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 0
    seed: int | None = None
    continues: bool = False


@dataclass(frozen=True)
class Model:
    """A model that the API lists, and the tokens that its context holds, where the server says it."""

    name: str
    context: int | None


@dataclass
class Usage:
    """What a reply took, as the server counted it; times in seconds as the page saw them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds_to_first: float | None = None
    seconds: float | None = None


def with_system(system: str, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """A request's messages: the system prompt first, where there is one.

    >>> with_system(" ", [{"role": "user", "content": "Hi"}])
    [{'role': 'user', 'content': 'Hi'}]
    """
    opening = [ChatMessage(role="system", content=system)] if system.strip() else []
    return [*opening, *messages]


class Endpoint:
    """An OpenAI-compatible API."""

    def __init__(self, *, base_url: str, api_key: str | None) -> None:
        self.base_url = base_url
        timeout = openai.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        # A key is always sent, since the client insists on one; a server that wants none ignores it.
        # The client's own HTTP client, once forgotten, would close itself in whatever event loop then runs.
        http = DefaultAsyncHttpxClient(timeout=timeout)
        self._client = AsyncOpenAI(
            base_url=base_url, api_key=api_key or "none", timeout=timeout, max_retries=0, http_client=http
        )
        self._contexts: dict[str, int | None] = {}

    async def models(self) -> list[Model]:
        """All models that the API lists.

        Raises:
            openai.OpenAIError: the API does not answer.
        """
        listed = await self._client.models.list()
        self._contexts = {card.id: _context(card.model_extra) for card in listed.data}
        return [Model(name, context) for name, context in self._contexts.items()]

    async def context(self, model: str) -> int | None:
        """The tokens that a model's context holds, where the server says it (asked once)."""
        if model not in self._contexts:
            await self.models()
        return self._contexts.setdefault(model, None)

    async def count(self, messages: Sequence[ChatMessage], model: str) -> int | None:
        """The tokens of a conversation as a prompt, as vLLM's ``/tokenize`` counts them; None where there is none."""
        answer = await self._tokenized(messages, model)
        count = answer.get("count") if answer else None
        return count if isinstance(count, int) else None

    async def prompt_ids(self, messages: Sequence[ChatMessage], model: str) -> list[int] | None:
        """The ids that the server sends to its engine for a conversation; None where it does not tell them."""
        answer = await self._tokenized(messages, model)
        ids = answer.get("tokens") if answer else None
        return ids if isinstance(ids, list) else None

    async def directory(self, model: str) -> Path | None:
        """The model's files, where the server runs on this machine and says where they are."""
        if httpx.URL(self.base_url).host not in _LOOPBACK:
            return None
        listed = await self._client.models.list()
        roots = [(card.model_extra or {}).get("root") for card in listed.data if card.id == model]
        return (
            Path(roots[0]) if roots and isinstance(roots[0], str) and Path(roots[0], "config.json").is_file() else None
        )

    async def _tokenized(self, messages: Sequence[ChatMessage], model: str) -> dict[str, object] | None:
        root = self.base_url.rstrip("/").removesuffix("/v1")
        body = {"model": model, "messages": list(messages)}
        try:
            answer = await self._client.post(f"{root}/tokenize", body=body, cast_to=object)
        except openai.APIStatusError:
            return None
        return answer if isinstance(answer, dict) else None

    def reply(self, history: Sequence[ChatMessage], settings: Settings) -> "Reply":
        """Begin a reply to a conversation; it grows in the background."""
        return Reply(self, with_system(settings.system, history), settings)

    async def deltas(
        self, messages: list[ChatMessage], settings: Settings, usage: Usage
    ) -> AsyncIterator[tuple[str, str | None]]:
        """The reply's pieces as they arrive, each with the finish reason if it is the last; `usage` is filled in.

        Leaving the loop, also by cancellation, closes the request, upon which the server stops generating.
        """
        stream = await self._client.chat.completions.create(
            model=settings.model or first_of(await self.models()),
            messages=cast("list[ChatCompletionMessageParam]", messages),
            temperature=omit if settings.temperature is None else settings.temperature,
            top_p=omit if settings.top_p is None else settings.top_p,
            max_tokens=settings.max_tokens or omit,
            seed=omit if settings.seed is None else settings.seed,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=_CONTINUE if settings.continues else None,
        )
        async with stream:
            async for chunk in stream:
                if chunk.usage:
                    usage.prompt_tokens = chunk.usage.prompt_tokens
                    usage.completion_tokens = chunk.usage.completion_tokens
                for choice in chunk.choices:
                    yield choice.delta.content or "", choice.finish_reason


def first_of(models: Sequence[Model]) -> str:
    """The name of the first model. Raises openai.OpenAIError where there is none."""
    if not models:
        raise openai.OpenAIError("the server lists no model")
    return models[0].name


class Reply:
    """A reply that grows in the background until it ends, fails or is stopped."""

    def __init__(self, endpoint: Endpoint, messages: list[ChatMessage], settings: Settings) -> None:
        self.text = ""
        self.is_stopped = False
        self.finish_reason: str | None = None
        self.usage = Usage()
        self._grown = asyncio.Event()
        self._task = asyncio.create_task(self._collect(endpoint, messages, settings))
        self._task.add_done_callback(lambda _: self._grown.set())

    @property
    def is_over(self) -> bool:
        """Whether it has ended, failed or been stopped."""
        return self._task.done()

    def stop(self) -> None:
        """Close the request now. `text` keeps what has arrived."""
        self.is_stopped = True
        self._task.cancel()

    async def snapshots(self) -> AsyncIterator[str]:
        """The text so far: at once when the first token arrives, then at most every `SNAPSHOT_SECONDS`.

        Raises:
            Exception: whatever ended the reply before its end (mostly openai.OpenAIError); being stopped is none.
        """
        while not self._task.done():
            await self._grown.wait()
            self._grown.clear()
            yield self.text
            await asyncio.wait([self._task], timeout=SNAPSHOT_SECONDS)
        if not self._task.cancelled():
            self._task.result()
        yield self.text

    async def _collect(self, endpoint: Endpoint, messages: list[ChatMessage], settings: Settings) -> None:
        began = time.monotonic()
        async for delta, finish_reason in endpoint.deltas(messages, settings, self.usage):
            self.text += delta
            self.finish_reason = finish_reason or self.finish_reason
            self.usage.seconds = time.monotonic() - began
            if delta:
                if self.usage.seconds_to_first is None:
                    self.usage.seconds_to_first = self.usage.seconds
                self._grown.set()


def _context(card: dict[str, object] | None) -> int | None:
    length = (card or {}).get("max_model_len")
    return length if isinstance(length, int) else None
