"""A run: what every method shares, and the loop that takes results until the target is reached.

The result does not depend on which reply comes first: tasks are numbered, each draws from a random generator of its
own, and their results are taken in order. So a replay from the store makes the same records.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from data_tools.synthesize.budget import BudgetSpent
from data_tools.synthesize.client import Client, Messages, Sampling
from data_tools.synthesize.prompt_files import Prompts
from data_tools.synthesize.records import Outcome, Result, Step
from data_tools.synthesize.seed_tasks import Seed

T = TypeVar("T")
# The results of one task after another.
Stream: TypeAlias = AsyncGenerator[Sequence[Result], None]
# A model that makes nothing usable of so many tasks in a row will not do so later.
PATIENCE = 200


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user sets instead of a method's own sampling; `max_tokens` only lowers it."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(slots=True)
class Run:
    """What a method works with. `lookback`: a task sees the pool as it was so many tasks before it."""

    client: Client
    prompts: Prompts
    seeds: Sequence[Seed]
    target: int
    structured: bool
    lookback: int
    seed: int = 0
    overrides: Overrides = field(default_factory=Overrides)
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def language(self) -> str:
        """Of the prompts, `en` or `zh`."""
        return self.prompts.language

    @property
    def leaks(self) -> list[str]:
        """Phrases of the prompts that no task should hold."""
        return self.prompts.lines("leaks")

    def width(self) -> int:
        """How many tasks may be under way: never more than what is still wanted, lest replies be paid for in vain."""
        return max(1, min(self.lookback, self.target - len(self.outcome.kept)))

    def random(self, task: str) -> random.Random:
        """The random generator of a task."""
        return random.Random(f"{self.seed}/{task}")  # noqa: S311 no secret

    async def ask(
        self,
        name: str,
        *,
        task: str,
        sampling: Sampling,
        form: str = "",
        schema: Mapping[str, Any] | None = None,
        **values: object,
    ) -> Step:
        """Ask what a prompt file asks. `form` names the file with the form of the answer, and `schema` is that form."""
        if form:
            values["format"] = self.prompts.fill(
                f"format_{form}_json" if self.structured else f"format_{form}", **values
            )
        messages = [{"role": "user", "content": self.prompts.fill(name, **values)}]
        label = self.prompts.version(name)
        return await self.send(
            label, messages, task=task, sampling=sampling, schema=schema if self.structured else None
        )

    async def send(
        self, label: str, messages: Messages, *, task: str, sampling: Sampling, schema: Mapping[str, Any] | None = None
    ) -> Step:
        """Send messages as they are; `label` says in the records what they were for."""
        sampling = self._overridden(sampling)
        reply = await self.client.ask(purpose=label, task=task, messages=messages, sampling=sampling, schema=schema)
        return Step(label, sampling, reply)

    def _overridden(self, sampling: Sampling) -> Sampling:
        asked = self.overrides
        # A decision (is it a classification? are they equal?) is not sampled, whatever the user wants of texts.
        if sampling.temperature > 0:
            temperature = sampling.temperature if asked.temperature is None else asked.temperature
            top_p = sampling.top_p if asked.top_p is None else asked.top_p
            sampling = replace(sampling, temperature=temperature, top_p=top_p)
        return replace(sampling, max_tokens=min(sampling.max_tokens, asked.max_tokens or sampling.max_tokens))


async def in_order(
    start: Callable[[int], Coroutine[Any, Any, T]],
    *,
    width: Callable[[], int],
    count: int | None = None,
    unpaid: int = 1,
) -> AsyncGenerator[T, None]:
    """Run numbered tasks, at most `width()` at once, and give their results by number; `count` None: without end.

    Task n is begun only after the consumer has taken the results of those before n - width(). It ends after `unpaid`
    tasks in a row for which the budget did not suffice: at once where a result depends on those before it.
    """
    under_way: deque[asyncio.Task[T]] = deque()
    begun = missing = 0
    try:
        while missing < unpaid:
            while len(under_way) < width() and (count is None or begun < count):
                under_way.append(asyncio.create_task(start(begun)))
                begun += 1
                # A task whose replies are in the store is done at once, and may be the last that is wanted.
                await asyncio.sleep(0)
                if under_way[0].done():
                    break
            if not under_way:
                return
            try:
                result = await under_way[0]
            except BudgetSpent:
                missing += 1
            else:
                missing = 0
                yield result
            under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def collect(run: Run, stream: Stream, *, on_task: Callable[[], None] = lambda: None) -> str:
    """Take results until the target is reached; says why it ended before that, or nothing."""
    idle = 0
    try:
        async for results in stream:
            run.outcome.tasks += 1
            before = len(run.outcome.kept)
            for result in results:
                run.outcome.add(result)
                if len(run.outcome.kept) >= run.target:
                    return ""
            on_task()
            idle = 0 if len(run.outcome.kept) > before else idle + 1
            if idle >= PATIENCE:
                return f"nothing was kept of the last {PATIENCE} tasks"
    finally:
        await stream.aclose()
    return "the budget is spent" if run.client.budget.spent else "every seed has gone through every round"
