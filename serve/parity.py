"""Does the running server read a conversation as the trainer does? Compares prompt ids, reply by reply.

The trainer's ids come from `Encoder.encode`, the server's from its own `/tokenize`, which is what it would send to the
engine. Nothing is generated.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

import httpx

from templates import Encoder, InputError, Message, RenderError

_CONCURRENCY = 16
_AROUND = 8
_NO_TEMPLATE = (
    "the server's model has no chat template, so it reads no conversation at all; give its directory the "
    "chat_template.jinja of the model that was trained, or start it with `chaku serve`"
)
# Why a server reads a prompt otherwise.
REASONS: Mapping[str, str] = {
    "control_string": "message {turn} ({role}) holds {found}, which the server takes for a control token",
    "made_beside": "what stands beside a message makes a control string of it, which the server takes for a control "
    "token",
    "template": "the server renders another text: its chat template is not the one that the model was trained with",
    "tokenizer": "the text is the same but its tokens are not: the server's tokenizer, or its version, is another",
}

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
    """How many conversations and prompts were compared, and the first mismatch of each that differs.

    `notes` say what else of the server is not as in training; `refused` counts the prompts that the template refuses,
    which nobody trains on.
    """

    conversations: int
    prompts: int
    mismatches: list[Mismatch]
    refused: int = 0
    notes: tuple[str, ...] = ()

    @property
    def agreed(self) -> int:
        """Conversations in which every prompt agrees."""
        return self.conversations - len(self.mismatches)


class Server:
    """A running vLLM server, asked for the ids of prompts. `client` has the server's root as its base URL."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    async def card(self) -> dict[str, Any]:
        """What the server says of its first model: `id`, and under Chaku its fingerprint. Raises InputError."""
        listing = await self._call("GET", "/v1/models", None)
        try:
            card = dict(listing["data"][0])
            return {**card, "id": str(card["id"])}
        except (KeyError, IndexError, TypeError, ValueError) as error:
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
            reason = str(error) or type(error).__name__
            raise InputError(f"{where}: no server answers ({reason}); start one with `chaku serve`") from error
        if response.status_code in (401, 403):
            next_step = "give the server's key by --api-key or OPENAI_API_KEY"
            raise InputError(f"{where}: {path} answers {response.status_code}; {next_step}")
        if response.status_code == 404 and path == "/tokenize":
            raise InputError(f"{where}: has no /tokenize, so nobody can see its prompt ids; parity needs a vLLM server")
        if response.status_code == 400 and "chat template" in response.text:
            raise InputError(f"{where}: {_NO_TEMPLATE}")
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
    card = await server.card()
    encoded = encoder.encode([messages for _, messages in conversations])

    async def check(conversation: Named, trained: list[int]) -> _Checked:
        result = await _check(server, encoder, card["id"], conversation, trained)
        on_conversation()
        return result

    results = await asyncio.gather(*(check(one, item.ids) for one, item in zip(conversations, encoded, strict=True)))
    return Parity(
        conversations=len(conversations),
        prompts=sum(result.prompts for result in results),
        mismatches=[result.mismatch for result in results if result.mismatch],
        refused=sum(result.refused for result in results),
        notes=tuple(notes_on(card, encoder)),
    )


def notes_on(card: Mapping[str, Any], encoder: Encoder) -> Iterator[str]:
    """What the server's model card tells of other differences: an unmodified vLLM's, or another model's."""
    told = card.get("chaku")
    if not isinstance(told, Mapping):
        yield (
            "the server shows no fingerprint, so `chaku serve` did not start it; an unmodified vLLM takes each control "
            "string in a message for a control token"
        )
        if encoder.stop_strings:
            stops = ", ".join(map(repr, encoder.stop_strings))
            yield f"an unmodified vLLM does not end replies at {stops}; clients have to send that as `stop`"
    elif told.get("fingerprint") != encoder.fingerprint.digest:
        yield "the server's fingerprint is another: its tokenizer, template or package versions are not this model's"


@dataclass
class _Checked:
    """The prompts of a conversation that were compared, up to the first mismatch, or that the template refuses."""

    prompts: int = 0
    refused: int = 0
    mismatch: Mismatch | None = None


async def _check(server: Server, encoder: Encoder, model: str, conversation: Named, trained: list[int]) -> _Checked:
    name, messages = conversation
    checked = _Checked()
    for turn in (turn for turn, message in enumerate(messages) if message.role == "assistant"):
        try:
            prompt = encoder.encode_prompt(messages[:turn])
        except RenderError:
            checked.refused += 1
            continue
        checked.prompts += 1
        ours = trained[: len(prompt)] or prompt  # of a conversation that is refused as a whole, only prompts are left
        theirs = await server.prompt_ids(model, messages[:turn])
        at = first_difference(ours, theirs)
        if at is not None:
            reason = reason_for(encoder, messages[:turn], ours, theirs)
            around = (ours[max(0, at - _AROUND) : at], ours[at : at + _AROUND], theirs[at : at + _AROUND])
            checked.mismatch = Mismatch(name, turn, at, *around, reason)
            break
    return checked


def first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """The index of the first token that differs, the shorter list's length where one begins the other, or None.

    >>> first_difference([1, 2, 3], [1, 2, 4])
    2
    """
    return next((at for at, (a, b) in enumerate(zip_longest(ours, theirs)) if a != b), None)


def reason_for(
    encoder: Encoder,
    messages: Sequence[Message],
    ours: Sequence[int],
    theirs: Sequence[int],
    *,
    words: Mapping[str, str] = REASONS,
) -> str:
    """Why a server reads messages otherwise, in the words of one language.

    >>> reason_for(encoder, [Message(role="user", content="a<|im_end|>b")], ours, theirs)          # doctest: +SKIP
    "message 0 (user) holds '<|im_end|>', which the server takes for a control token"
    """
    if encoder.encode_unguarded(messages) == theirs:
        for turn, message in enumerate(messages):
            if found := encoder.first_control_string(message.content):
                return words["control_string"].format(turn=turn, role=message.role, found=repr(found))
        return words["made_beside"]
    return words["template" if encoder.decode(ours) != encoder.decode(theirs) else "tokenizer"]
