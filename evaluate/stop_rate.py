"""How often a served model ends its replies by itself, rather than running into the token limit."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from openai import APIConnectionError, APIStatusError, AsyncOpenAI

from templates import InputError, Message

# vLLM batches what arrives together; more than this only queues up on a small machine.
_CONCURRENCY = 32


@dataclass(frozen=True)
class Reply:
    """A model's reply to one prompt: `stopped` where it ended with a stop token, not at the limit of tokens."""

    prompt: str
    text: str
    stopped: bool
    tokens: int


@dataclass(frozen=True)
class StopRate:
    """The replies of one model to a set of prompts."""

    model: str
    max_tokens: int
    replies: tuple[Reply, ...]

    @property
    def stopped(self) -> int:
        """How many replies ended with a stop token."""
        return sum(reply.stopped for reply in self.replies)

    def to_json(self) -> dict[str, object]:
        """All of it, with the counts first."""
        return {
            "model": self.model,
            "stopped": self.stopped,
            "prompts": len(self.replies),
            "max_tokens": self.max_tokens,
            "replies": [asdict(reply) for reply in self.replies],
        }


async def measure_stop_rate(
    client: AsyncOpenAI,
    prompts: Sequence[Sequence[Message]],
    *,
    max_tokens: int = 400,
    on_reply: Callable[[], None] = lambda: None,
) -> StopRate:
    """Ask the served model each prompt, greedily, and count the replies that end by themselves.

    `on_reply` is called after each reply. Raises InputError where the server cannot be reached or refuses a prompt.
    """
    try:
        model = (await client.models.list()).data[0].id
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def ask(prompt: Sequence[Message]) -> Reply:
            async with slots:
                reply = await _ask(client, model, prompt, max_tokens)
            on_reply()
            return reply

        replies = await asyncio.gather(*map(ask, prompts))
    except APIConnectionError as error:
        raise InputError(f"--base-url {client.base_url}: no server answers; start one with `chaku serve`") from error
    except APIStatusError as error:
        raise InputError(f"--base-url {client.base_url}: the server refused a prompt: {error.message}") from error
    return StopRate(model=model, max_tokens=max_tokens, replies=tuple(replies))


async def _ask(client: AsyncOpenAI, model: str, prompt: Sequence[Message], max_tokens: int) -> Reply:
    completion = await client.chat.completions.create(
        model=model,
        messages=[{"role": message.role, "content": message.content} for message in prompt],  # type: ignore[misc]
        max_tokens=max_tokens,
        temperature=0.0,
    )
    choice = completion.choices[0]
    return Reply(
        prompt=prompt[-1].content,
        text=choice.message.content or "",
        stopped=choice.finish_reason == "stop",
        tokens=completion.usage.completion_tokens if completion.usage else 0,
    )
