"""How a run stands, on stderr: a bar on a terminal, elsewhere a plain line now and then."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from data_tools.synthesize.run import Run

_REASONS_SHOWN = 4
_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_DRAWINGS = 0.25


@asynccontextmanager
async def showing(run: Run) -> AsyncGenerator[None, None]:
    """Show how the run stands while the block lasts."""
    shower = asyncio.create_task(_bar(run) if sys.stderr.isatty() else _lines(run))
    try:
        yield
    finally:
        shower.cancel()
        with suppress(asyncio.CancelledError):
            await shower


def in_words(run: Run, *, seconds: float, tokens: int) -> str:
    """What is kept, rejected, asked and spent; `tokens` were completed in the last `seconds`.

    For instance ``kept 12/200, rejected 31 (too_similar 31), 55 requests, 3.1/s, 410 tokens/s, 61,204 tokens``.
    """
    outcome, client = run.outcome, run.client
    rejected = sum(outcome.reasons.values())
    reasons = f" ({top_reasons(outcome.reasons)})" if rejected else ""
    budget = client.budget
    spent = f"{budget.prompt_tokens + budget.completion_tokens:,} tokens"
    dollars = f", ${budget.dollars:,.2f}" if budget.price.prompt or budget.price.completion else ""
    rates = f"{client.asked / max(seconds, 0.1):.1f}/s, {tokens / max(seconds, 0.1):,.0f} tokens/s"
    kept = f"kept {len(outcome.kept):,}/{run.target:,}, rejected {rejected:,}{reasons}"
    return f"{kept}, {client.asked:,} requests, {rates}, {spent}{dollars}"


def top_reasons(reasons: Counter[str]) -> str:
    """The most frequent reasons.

    >>> top_reasons(Counter(too_short=3, a=1, b=1, c=1, d=1))
    'too_short 3, a 1, b 1, c 1, others 1'
    """
    top = reasons.most_common(_REASONS_SHOWN)
    others = sum(reasons.values()) - sum(count for _, count in top)
    shown = [f"{rule} {count:,}" for rule, count in top] + ([f"others {others:,}"] if others else [])
    return ", ".join(shown)


async def _lines(run: Run) -> None:
    begun, before = time.monotonic(), run.client.budget.completion_tokens
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_LINES)
        tokens = run.client.budget.completion_tokens - before
        print(in_words(run, seconds=time.monotonic() - begun, tokens=tokens), file=sys.stderr, flush=True)


async def _bar(run: Run) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    begun, before = time.monotonic(), run.client.budget.completion_tokens
    columns = (BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=run.target)

        def draw() -> None:
            tokens = run.client.budget.completion_tokens - before
            shown = in_words(run, seconds=time.monotonic() - begun, tokens=tokens)
            bar.update(task, completed=len(run.outcome.kept), description=shown)

        try:
            while True:
                draw()
                await asyncio.sleep(_SECONDS_BETWEEN_DRAWINGS)
        finally:
            draw()
