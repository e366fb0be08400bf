"""Counters by key, which vLLM's `/metrics` shows beside its own: what each key asked for, and got."""

from prometheus_client import Counter, Gauge

NO_KEY = "none"

_REQUESTS = Counter("chaku_requests", "Requests, by the name of the key.", ("key", "route", "status"))
_PROMPT_TOKENS = Counter("chaku_prompt_tokens", "Tokens of prompts, by the name of the key.", ("key",))
_COMPLETION_TOKENS = Counter("chaku_completion_tokens", "Tokens of replies, by the name of the key.", ("key",))
_RUNNING = Gauge("chaku_requests_running", "Requests that run now.", ("key",), multiprocess_mode="livesum")


def count(key: str | None, route: str, status: int, *, prompt_tokens: int, completion_tokens: int) -> None:
    """Count a request that has ended. Status 0: its client left before the reply began."""
    name = key or NO_KEY
    _REQUESTS.labels(name, route, str(status)).inc()
    _PROMPT_TOKENS.labels(name).inc(prompt_tokens)
    _COMPLETION_TOKENS.labels(name).inc(completion_tokens)


def running(key: str | None, change: int) -> None:
    """One more request runs for a key, or one less."""
    _RUNNING.labels(key or NO_KEY).inc(change)
