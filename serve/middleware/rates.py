"""How much one key may ask for: requests and tokens a minute, and requests at once."""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.middleware import counters
from serve.middleware.errors import send_error
from serve.middleware.keys import limits_of
from serve.middleware.request_record import record_of, tokens_of
from serve.middleware.routes import GENERATING
from serve.middleware.settings import Limits, read_settings

_MINUTE = 60.0


class Bucket:
    """A token bucket that holds a minute's worth, and may go into debt: what a reply costs is known at its end.

    Times are of the monotonic clock, so that a clock that is set changes nothing.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent = 0.0
        self._at = clock()

    def wait(self, per_minute: int, cost: float) -> float:
        """Seconds until so much may be spent; 0 if now."""
        self._refill(per_minute)
        return max(0.0, (self._spent + cost - per_minute) * _MINUTE / per_minute)

    def spend(self, per_minute: int, cost: float) -> None:
        """Spend, even more than there is."""
        self._refill(per_minute)
        self._spent += cost

    def _refill(self, per_minute: int) -> None:
        now = self._clock()
        self._spent = max(0.0, self._spent - (now - self._at) * per_minute / _MINUTE)
        self._at = now


class Use:
    """What one key uses now."""

    def __init__(self) -> None:
        self.requests, self.tokens, self.running = Bucket(), Bucket(), 0


class Refusal(NamedTuple):
    """Why a request has to wait, and for how long."""

    message: str
    seconds: float


def refusal(use: Use, limits: Limits) -> Refusal | None:
    """Whether a further request is too much for a key that uses so much."""
    if limits.streams is not None and use.running >= limits.streams:
        return Refusal(f"{use.running} requests of this key run already, which is its limit.", 1.0)
    if limits.requests_per_minute and (wait := use.requests.wait(limits.requests_per_minute, 1)):
        return Refusal(f"This key may send {limits.requests_per_minute} requests a minute.", wait)
    if limits.tokens_per_minute and (wait := use.tokens.wait(limits.tokens_per_minute, 1)):
        return Refusal(f"This key may use {limits.tokens_per_minute} tokens a minute, of prompts and replies.", wait)
    return None


class RatesMiddleware:
    """Turns a key's requests for replies away with 429 and Retry-After while it is over its limits."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limits = read_settings().limits
        self._uses: defaultdict[str | None, Use] = defaultdict(Use)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and charge it to its key, or turn it away."""
        if scope["type"] != "http" or scope["path"] not in GENERATING:
            await self._app(scope, receive, send)
            return
        key, limits = record_of(scope).key, limits_of(scope, self._limits)
        use = self._uses[key]
        refused = refusal(use, limits)
        if refused:
            retry = [(b"retry-after", str(math.ceil(refused.seconds)).encode())]
            await send_error(scope, send, 429, refused.message, code="rate_limit_exceeded", headers=retry)
            return
        use.running += 1
        counters.running(key, 1)
        if limits.requests_per_minute:
            use.requests.spend(limits.requests_per_minute, 1)
        try:
            await self._app(scope, receive, send)
        finally:
            use.running -= 1
            counters.running(key, -1)
            if limits.tokens_per_minute:
                use.tokens.spend(limits.tokens_per_minute, sum(tokens_of(scope)))
