"""Does the running server read a conversation as the trainer does? Compares prompt ids, reply by reply.

The trainer's ids come from `Encoder.encode`, the server's from its own `/tokenize`, which is what it would send to the
engine. Nothing is generated.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

import httpx

from templates import Encoder, InputError, Message

_CONCURRENCY = 16
_AROUND = 8

Named: TypeAlias = tuple[str, Sequence[Message]]


@dataclass(frozen=True)
class Mismatch:
    """The first prompt of a conversation that the server reads otherwise.

    `turn` is the reply that is asked for, `at` the index of the first token that differs; `before` are the ids that
    lead up to it, `ours` and `theirs` the ids from it on (up to eight each). `reason` says why.
    """

    conversation: str
    turn: int
    at: int
    before: list[int]
    ours: list[int]
    theirs: list[int]
    reason: str


@dataclass(frozen=True)
class Parity:
    """How many conversations and prompts were compared, and the first mismatch of each that differs."""

    conversations: int
    prompts: int
    mismatches: list[Mismatch]

    @property
    def agreed(self) -> int:
        """Conversations in which every prompt agrees."""
        return self.conversations - len(self.mismatches)


class Server:
    """A running vLLM server, asked for the ids of prompts. `client` has the server's root as its base URL."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    async def model(self) -> str:
        """The name of the served model. Raises InputError where no server answers."""
        listing = await self._call("GET", "/v1/models", None)
        try:
            return str(listing["data"][0]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise self._no_openai("/v1/models") from error

    async def prompt_ids(self, model: str, messages: Sequence[Message]) -> list[int]:
        """The ids that the server sends to its engine for these messages. Raises InputError where it refuses them."""
        body = {"model": model, "messages": [{"role": item.role, "content": item.content} for item in messages]}
        answer = await self._call("POST", "/tokenize", body)
        if not isinstance(answer.get("tokens"), list):
            raise self._no_openai("/tokenize")
        return list(answer["tokens"])

    async def _call(self, method: str, path: str, body: object) -> dict[str, Any]:
        where = f"--base-url {self._client.base_url}"
        try:
            async with self._slots:
                response = await self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise InputError(f"{where}: no server answers ({error}); start one with `chaku serve`") from error
        if response.status_code in (401, 403):
            raise InputError(f"{where}: {path} answers {response.status_code}; put the server's key in OPENAI_API_KEY")
        if response.status_code == 404 and path == "/tokenize":
            raise InputError(f"{where}: has no /tokenize, so nobody can see its prompt ids; parity needs a vLLM server")
        if response.is_error:
            raise InputError(f"{where}: {path} answers {response.status_code}: {response.text[:300]}")
        try:
            return dict(response.json())
        except (ValueError, TypeError) as error:
            raise self._no_openai(path) from error

    def _no_openai(self, path: str) -> InputError:
        return InputError(
            f"--base-url {self._client.base_url}: {path} answers something else than vLLM's server does; "
            "give the address that `chaku serve` prints"
        )


async def compare(
    server: Server,
    encoder: Encoder,
    conversations: Sequence[Named],
    *,
    on_conversation: Callable[[], None] = lambda: None,
) -> Parity:
    """Compare every prompt of the conversations, each given as (name, messages)."""
    model = await server.model()
    encoded = encoder.encode([messages for _, messages in conversations])

    async def check(conversation: Named, trained: list[int]) -> tuple[int, Mismatch | None]:
        result = await _check(server, encoder, model, conversation, trained)
        on_conversation()
        return result

    results = await asyncio.gather(*(check(one, item.ids) for one, item in zip(conversations, encoded, strict=True)))
    mismatches = [mismatch for _, mismatch in results if mismatch]
    return Parity(len(conversations), sum(prompts for prompts, _ in results), mismatches)


async def _check(
    server: Server, encoder: Encoder, model: str, conversation: Named, trained: list[int]
) -> tuple[int, Mismatch | None]:
    """The number of prompts compared, up to the first mismatch, and that mismatch."""
    name, messages = conversation
    prompts = 0
    for turn in (turn for turn, message in enumerate(messages) if message.role == "assistant"):
        prompts += 1
        ours = trained[: len(encoder.encode_prompt(messages[:turn]))]
        theirs = await server.prompt_ids(model, messages[:turn])
        at = first_difference(ours, theirs)
        if at is not None:
            reason = reason_for(encoder, messages[:turn], ours, theirs)
            around = (ours[max(0, at - _AROUND) : at], ours[at : at + _AROUND], theirs[at : at + _AROUND])
            return prompts, Mismatch(name, turn, at, *around, reason)
    return prompts, None


def first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """The index of the first token that differs, the shorter list's length where one begins the other, or None.

    >>> first_difference([1, 2, 3], [1, 2, 4])
    2
    """
    return next((at for at, (a, b) in enumerate(zip_longest(ours, theirs)) if a != b), None)


def reason_for(encoder: Encoder, messages: Sequence[Message], ours: Sequence[int], theirs: Sequence[int]) -> str:
    """Why a server reads messages otherwise, in words."""
    for turn, message in enumerate(messages):
        held = [control for control in encoder.control_strings if control in message.content]
        if held:
            return f"message {turn} ({message.role}) holds {held[0]!r}, which the server takes for a control token"
    if encoder.decode(ours) != encoder.decode(theirs):
        return "the server renders another text: its chat template is not the one that the model was trained with"
    return "the text is the same but its tokens are not: the server's tokenizer, or its version, is another"
