"""One or several OpenAI-compatible APIs as one: each request goes to the API that lists its model."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import openai

from serve.chat.stream import ChatMessage, Endpoint, Model, Reply, Settings, first_of


class Endpoints:
    """Where two APIs list a model of one name, the first answers for it. An API that is down does not hurt the others.

    `first` is the model that the page begins with; without it, the first that is listed. `silent` holds the addresses
    that did not answer when they were last asked for their models.
    """

    def __init__(self, several: Sequence[Endpoint], *, first: str | None = None) -> None:
        self.silent: list[str] = []
        self._several, self._first = list(several), first
        self._of: dict[str, Endpoint] = {}

    async def models(self) -> list[Model]:
        """The models of all APIs, the given one first.

        Raises:
            openai.OpenAIError: none of the APIs answers.
        """
        answers = await asyncio.gather(*map(_models, self._several))
        found: dict[str, Model] = {}
        self.silent, errors = [], []
        for endpoint, answer in zip(self._several, answers, strict=True):
            if isinstance(answer, openai.OpenAIError):
                self.silent.append(endpoint.base_url)
                errors.append(answer)
                continue
            for model in answer:
                if model.name not in found:
                    found[model.name], self._of[model.name] = model, endpoint
        if len(errors) == len(self._several):
            raise errors[0]
        opening = found.pop(self._first, Model(self._first, None)) if self._first else None
        return [*([opening] if opening else []), *found.values()]

    async def model(self) -> str:
        """The model that the page begins with.

        Raises:
            openai.OpenAIError: no API answers, or none lists a model.
        """
        if self._first is None:
            self._first = first_of(await self.models())
        return self._first

    def url_of(self, model: str) -> str:
        """The address of the API that has a model; of all of them where nobody knows it."""
        endpoint = self._of.get(model)
        return endpoint.base_url if endpoint else ", ".join(each.base_url for each in self._several)

    async def context(self, model: str) -> int | None:
        """The tokens that a model's context holds, where its API says it."""
        return await (await self._at(model)).context(model)

    async def count(self, messages: Sequence[ChatMessage], model: str) -> int | None:
        """The tokens of a conversation as a prompt; None where its API does not count."""
        return await (await self._at(model)).count(messages, model)

    async def prompt_ids(self, messages: Sequence[ChatMessage], model: str) -> list[int] | None:
        """The ids that the engine is given for a conversation; None where its API does not tell them."""
        return await (await self._at(model)).prompt_ids(messages, model)

    async def directory(self, model: str) -> Path | None:
        """The model's files, where its API runs on this machine and says where they are."""
        return await (await self._at(model)).directory(model)

    def reply(self, history: Sequence[ChatMessage], settings: Settings) -> Reply:
        """Begin a reply to a conversation; it grows in the background. Its model's API was asked before."""
        return self._of.get(settings.model, self._several[0]).reply(history, settings)

    async def _at(self, model: str) -> Endpoint:
        if model not in self._of:
            await self.models()
        return self._of.get(model, self._several[0])


def connect(base_urls: Sequence[str], *, keys: str | None, first: str | None = None) -> Endpoints:
    """The APIs at some addresses. `keys` is the key of the only one, or those of several in order, split by commas.

    An API for which none is left is sent none: a key is for one server alone.
    """
    several = (keys or "").split(",") if len(base_urls) > 1 else [keys]
    known = [*several, *[None] * len(base_urls)]
    apis = [Endpoint(base_url=url, api_key=key or None) for url, key in zip(base_urls, known, strict=False)]
    return Endpoints(apis, first=first)


async def _models(endpoint: Endpoint) -> list[Model] | openai.OpenAIError:
    try:
        return await endpoint.models()
    except openai.OpenAIError as error:
        return error
