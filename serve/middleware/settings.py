"""What `chaku serve` tells the middleware, which lives in vLLM's process: one JSON object."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace

from templates import InputError

VARIABLE = "CHAKU_MIDDLEWARE"


@dataclass(frozen=True)
class Limits:
    """What one key may ask for; None is no limit. Without keys, all clients together are one key."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    streams: int | None = None  # requests at once, streaming or not
    n: int = 8  # replies to one request; best_of likewise
    max_tokens: int | None = None  # tokens of one reply; None leaves it to the model's context
    prompts: int = 64  # prompts in one request of /v1/completions
    stops: int = 16  # strings to stop at
    stop_characters: int = 256
    logprobs: int = 20
    body_bytes: int = 4 * 2**20
    depth: int = 48  # nested lists and objects in a request


# What a key may have of its own; the others are the server's.
OF_A_KEY = ("requests_per_minute", "tokens_per_minute", "streams", "max_tokens")


@dataclass(frozen=True)
class Settings:
    """Files and limits. `page_key` is the digest of the key that the chat page was given at the start."""

    keys_file: str | None = None
    page_key: str | None = None
    access_log: str | None = None
    draining_file: str | None = None
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> str:
        """As the environment variable holds it."""
        return json.dumps(asdict(self))


def read_settings() -> Settings:
    """The settings that the parent process wrote; all defaults where there are none."""
    read = json.loads(os.environ.get(VARIABLE, "{}"))
    return Settings(**{**read, "limits": Limits(**read.get("limits", {}))})


def with_limits(limits: Limits, assignments: Sequence[str], *, flag: str = "--limit") -> Limits:
    """Limits with some replaced. Raises InputError that names the flag.

    >>> with_limits(Limits(), ["streams=8", "n=1"]).streams
    8
    """
    return replace(limits, **parse_limits(assignments, tuple(item.name for item in fields(Limits)), flag=flag))


def parse_limits(assignments: Sequence[str], names: Sequence[str], *, flag: str = "--limit") -> dict[str, int]:
    """NAME=NUMBER each. Raises InputError that names the flag and the names that there are."""
    parsed = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if name not in names:
            raise InputError(f"{flag} {assignment}: there is no limit {name!r}; there are {', '.join(names)}")
        if not value.isdecimal() or int(value) < 1:
            raise InputError(f"{flag} {assignment}: give a whole number above 0, as in {name}=8")
        parsed[name] = int(value)
    return parsed
