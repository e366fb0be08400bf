"""One engine of several: Ray's LLM server, which answers whole HTTP requests with vLLM's own routes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ray.serve.llm.deployment import LLMServer
from starlette.types import Message, Scope

from serve.middleware.request_record import tokens_of

# The last message of each reply: what it cost, for the limits and the counters, which live in the ingress.
USAGE = "chaku.usage"


class Replica(LLMServer):
    """An engine behind vLLM's own application, so that every route is what a single engine answers."""

    async def start(self) -> None:
        """Start the engine, then build vLLM's application around it."""
        await super().start()
        self._application = await self.engine.build_asgi_app()

    async def forward(self, scope: Scope, body: bytes) -> AsyncIterator[dict[str, Any]]:
        """The messages that answer a request, as vLLM sends them, and `USAGE` at the end.

        Whoever stops reading ends the request: its task is cancelled, and with it what the engine does for it.
        """
        sent: asyncio.Queue[Message | None] = asyncio.Queue()
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        scope = {**scope, "state": {}}

        async def receive() -> Message:
            if not waiting:
                await asyncio.get_running_loop().create_future()  # never: to leave is to cancel
            return waiting.pop()

        async def run() -> None:
            try:
                await self._application(scope, receive, sent.put)
            finally:
                sent.put_nowait(None)

        running = asyncio.create_task(run())
        try:
            while (message := await sent.get()) is not None:
                yield dict(message)
            await running
            prompt, completion = tokens_of(scope)
            yield {"type": USAGE, "prompt_tokens": prompt, "completion_tokens": completion}
        finally:
            running.cancel()
