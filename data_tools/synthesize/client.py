"""Asks an OpenAI-compatible server: many requests at once, each kept in the store, none asked twice.

A request that fails for a passing reason (no connection, a timeout, 408, 409, 425, 429 or 5xx) is asked again after a
wait that doubles, with some chance in it so that many clients do not return at once, or after what the server's
Retry-After asks for.
"""

import asyncio
import random
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from data_tools.synthesize.budget import Budget
from data_tools.synthesize.store import Reply, Store, key_of
from templates import InputError

Messages = list[dict[str, str]]

_PASSING = frozenset({408, 409, 425, 429}) | frozenset(range(500, 600))
_ATTEMPTS = 8
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
# A reply of 2,048 tokens from a small server under load takes minutes.
_TIMEOUT = httpx.Timeout(900.0, connect=10.0)
# Tokens a message that a chat template adds, at most; a token is at least a byte of text.
_TEMPLATE_TOKENS = 32
_THOUGHTS = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a request samples; what is None is left to the server."""

    max_tokens: int
    temperature: float
    top_p: float | None = None
    presence_penalty: float | None = None

    def as_body(self) -> dict[str, Any]:
        """The fields of the request."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Closing(Exception):
    """The run is over: what was not yet sent will not be."""


class Client:
    """Asks at most `concurrency` requests at once. Use as an async context manager, which waits for those under way."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        store: Store,
        budget: Budget,
        concurrency: int,
        api_key: str | None = None,
        flag: str = "--base-url",
    ) -> None:
        self.base_url, self.model = base_url, model
        self._where = f"{flag} {base_url}"  # as errors name the address
        self.store, self.budget = store, budget
        self.asked = 0  # by this process
        self._closing = False
        self._places = asyncio.Semaphore(concurrency)
        self._under_way: dict[str, asyncio.Task[Reply]] = {}
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=_TIMEOUT, limits=limits)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the requests under way, which are paid for, unless the user interrupts: then end them."""
        self._closing = True
        asking = list(self._under_way.values())
        if kind is not None and not issubclass(kind, Exception):
            for one in asking:
                one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._http.aclose()

    async def ask(
        self,
        *,
        purpose: str,
        task: str,
        messages: Messages,
        sampling: Sampling,
        schema: Mapping[str, Any] | None = None,
    ) -> Reply:
        """The reply to a request, from the store where it is there.

        The same prompt of two tasks, or for two purposes, is two requests. No `seed` is sent: the store makes a replay
        exact, and vLLM 0.32 on a CPU dies of a seed where a prompt is read in pieces.

        Raises BudgetSpent, or InputError where the server cannot be reached or refuses the key or the model.
        """
        body = {"model": self.model, "messages": messages, **sampling.as_body()}
        if schema:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
        key = key_of(body, purpose=purpose, task=task)
        if (held := self.store.reply(key)) is not None:
            return held
        if key not in self._under_way:
            asking = asyncio.create_task(self._ask(key, purpose=purpose, task=task, body=body))
            self._under_way[key] = asking
            asking.add_done_callback(lambda _: self._under_way.pop(key, None))
        # Who waits may give up; what was sent is paid for, and its reply is kept all the same.
        return await asyncio.shield(self._under_way[key])

    async def _ask(self, key: str, *, purpose: str, task: str, body: dict[str, Any]) -> Reply:
        async with self._places:
            if self._closing:
                raise Closing
            reserved = await self.budget.reserve(_most_prompt_tokens(body), body["max_tokens"])
            try:
                reply = await self._persist(key, purpose=purpose, task=task, body=body)
            except BaseException:
                await self.budget.settle(reserved, asked=0)
                raise
            spent = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
            await self.budget.settle(reserved, **spent)
            self.asked += 1
            return reply

    async def _persist(self, key: str, *, purpose: str, task: str, body: dict[str, Any]) -> Reply:
        """Ask until there is a reply or no hope."""
        for number in range(_ATTEMPTS):
            attempt = self.store.begin(key, purpose=purpose, task=task, body=body)
            try:
                response = await self._http.post("chat/completions", json=body)
            except httpx.HTTPError as error:
                reason, asked_wait = type(error).__name__, None
            else:
                if response.status_code not in _PASSING and (reply := self._read(key, response, attempt)) is not None:
                    self.store.answered(attempt, reply)
                    return reply
                reason, asked_wait = f"HTTP {response.status_code}", retry_after(response.headers.get("retry-after"))
            self.store.failed(attempt, reason)
            if self._closing:
                raise Closing
            if number + 1 < _ATTEMPTS:
                await asyncio.sleep(wait_before(number, asked_wait))
        raise InputError(
            f"{self._where}: no reply in {_ATTEMPTS} attempts ({reason}); when the server is up again, "
            "run the same command: nothing that was answered is lost"
        )

    def _read(self, key: str, response: httpx.Response, attempt: int) -> Reply | None:
        """The reply in an answer; None for an answer that is no reply of this protocol, which may be a passing fault.

        A request that the server refuses as such (too long, for instance) has an empty reply, and is not asked again.
        """
        if response.status_code in (401, 403, 404):
            self.store.failed(attempt, f"HTTP {response.status_code}")
            raise InputError(f"{self._where}: {_complaint(response)}; check the key and the name of the model")
        if response.is_error:
            return Reply(key, _complaint(response), "refused", 0, 0, self.model, time.time())
        try:
            answer = response.json()
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            text = _THOUGHTS.sub("", choice["message"]["content"] or "").strip()
            tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
            model = str(answer.get("model") or self.model)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return None
        return Reply(key, text, str(choice.get("finish_reason") or "stop"), *tokens, model, time.time())


def retry_after(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, given as seconds or as a date.

    >>> retry_after("2.5"), retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), retry_after("soon")
    (2.5, 0.0, None)
    """
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        date: datetime = parsedate_to_datetime(header)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def wait_before(number: int, asked: float | None) -> float:
    """Seconds to wait after failure `number`: what the server asks for, else 0.5, 1, 2 ... 60, times 0.5 to 1."""
    if asked is not None:
        return min(asked, 600.0)
    return min(_FIRST_WAIT * 2.0**number, _LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311 no secret


def _most_prompt_tokens(body: Mapping[str, Any]) -> int:
    return sum(len(message["content"].encode("utf-8", "replace")) + _TEMPLATE_TOKENS for message in body["messages"])


def _complaint(response: httpx.Response) -> str:
    """What the server says is wrong, in one line."""
    try:
        error = response.json()["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        text = response.text
    return f"HTTP {response.status_code}: {' '.join(text.split())[:200]}"
