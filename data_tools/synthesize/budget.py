"""What a run may spend, in tokens, in dollars or in requests; it is never exceeded."""

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

from templates import InputError

Unit = Literal["tokens", "dollars", "requests"]
_BUDGET = re.compile(r"(\$)?\s*([\d.,_]+)\s*([kKmM]?)\s*(usd|dollars?|tokens?|requests?)?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


class BudgetSpent(Exception):
    """The next request might exceed the budget."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million prompt tokens, and for a million completion tokens."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of so many tokens, in dollars.

        >>> Price(0.5, 1.5).of(2_000_000, 1_000_000)
        2.5
        """
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Limit:
    """An amount of something; the store's whole life counts, not one run."""

    amount: float
    unit: Unit


def parse_budget(text: str) -> Limit:
    """Read `--budget`. Raises InputError for what is no amount.

    >>> parse_budget("2M"), parse_budget("$5"), parse_budget("200 requests")
    (Limit(amount=2000000.0, unit='tokens'), Limit(amount=5.0, unit='dollars'), Limit(amount=200.0, unit='requests'))
    """
    found = _BUDGET.fullmatch(text.strip())
    sign, digits, factor, word = found.groups() if found else ("", "", "", "")
    try:
        amount = float(digits.replace(",", "").replace("_", "")) * _FACTORS[(factor or "").lower()]
    except ValueError:
        amount = 0
    if amount <= 0 or (sign and word):
        raise InputError(f"--budget {text!r}: give tokens as 2M or 500k, money as $5, or a number as '200 requests'")
    word = (word or "").lower()
    if sign or word.startswith(("usd", "dollar")):
        return Limit(amount, "dollars")
    return Limit(amount, "requests" if word.startswith("request") else "tokens")


class Budget:
    """What was spent, and what requests under way may still cost; `limit` None lets everything pass.

    `spent` is whether a request had to be refused.
    """

    def __init__(
        self, limit: Limit | None, price: Price | None, *, requests: int, prompt: int, completion: int
    ) -> None:
        self.requests, self.prompt_tokens, self.completion_tokens = requests, prompt, completion
        self.price = price or Price(0, 0)
        self.spent = False
        self._limit, self._reserved, self._under_way = limit, 0.0, 0
        self._changed = asyncio.Condition()

    @property
    def dollars(self) -> float:
        """What the tokens so far cost."""
        return self.price.of(self.prompt_tokens, self.completion_tokens)

    def _cost(self, requests: int, prompt_tokens: int, completion_tokens: int) -> float:
        unit = self._limit.unit if self._limit else "tokens"
        if unit == "requests":
            return requests
        if unit == "dollars":
            return self.price.of(prompt_tokens, completion_tokens)
        return prompt_tokens + completion_tokens

    async def reserve(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Set aside the most that a request can cost. Waits for requests under way where these decide.

        Raises BudgetSpent where it might cost more than is left.
        """
        cost = self._cost(1, prompt_tokens, completion_tokens)
        async with self._changed:
            while self._limit and self._under_way and self._spent() + self._reserved + cost > self._limit.amount:
                await self._changed.wait()
            if self._limit and self._spent() + cost > self._limit.amount:
                self.spent = True
                raise BudgetSpent
            self._reserved += cost
            self._under_way += 1
        return cost

    async def settle(
        self, reserved: float, *, prompt_tokens: int = 0, completion_tokens: int = 0, asked: int = 1
    ) -> None:
        """Replace what was set aside by what it cost."""
        async with self._changed:
            self._under_way -= 1
            self._reserved = self._reserved - reserved if self._under_way else 0.0
            self.requests += asked
            self.prompt_tokens += prompt_tokens
            self.completion_tokens += completion_tokens
            self._changed.notify_all()

    def _spent(self) -> float:
        return self._cost(self.requests, self.prompt_tokens, self.completion_tokens)
