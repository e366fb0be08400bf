"""What a run makes: records that are kept, and rejects with their reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from data_tools.synthesize.client import Messages, Sampling
from data_tools.synthesize.store import Reply


@dataclass(frozen=True, slots=True)
class Step:
    """A request that had a part in a record: the prompt's version, how it sampled, and what came."""

    prompt: str
    sampling: Sampling
    reply: Reply

    def as_json(self) -> dict[str, Any]:
        """What the record says of it; `request` is the key in the store."""
        return {"prompt": self.prompt, "request": self.reply.key, "sampling": self.sampling.as_body()}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record comes from. `details` are the method's own, such as an evolution's operation and parent."""

    method: str
    task: str
    seeds: tuple[str, ...]
    steps: tuple[Step, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As it stands in a file: `time` is when the last reply came, so that a replay gives the same."""
        last = self.steps[-1].reply
        return {
            "method": self.method,
            "task": self.task,
            "seeds": list(self.seeds),
            "model": last.model,
            "time": datetime.fromtimestamp(last.ended, UTC).isoformat(timespec="milliseconds"),
            "steps": [step.as_json() for step in self.steps],
            **self.details,
        }


@dataclass(frozen=True, slots=True)
class Kept:
    """A record; `history` are the messages before the instruction."""

    id: str
    instruction: str
    input: str
    output: str
    origin: Origin
    history: tuple[dict[str, str], ...] = ()

    @property
    def question(self) -> str:
        """The instruction and its input as one text."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction

    @property
    def messages(self) -> Messages:
        """The whole conversation."""
        reply = {"role": "assistant", "content": self.output}
        return [*self.history, {"role": "user", "content": self.question}, reply]

    def as_alpaca(self) -> dict[str, Any]:
        """In Alpaca's form, with the pairs of earlier turns as `history`."""
        record: dict[str, Any] = {"instruction": self.instruction, "input": self.input, "output": self.output}
        if self.history:
            texts = [message["content"] for message in self.history]
            record["history"] = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
        return {"id": self.id, **record, "synthesis": self.origin.as_json()}

    def as_messages(self) -> dict[str, Any]:
        """In OpenAI's and Hugging Face's form."""
        return {
            "id": self.id,
            "messages": self.messages,
            "source": self.origin.method,
            "synthesis": self.origin.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that was made and not kept; `detail` says, for instance, what it resembles."""

    rule: str
    text: str
    origin: Origin
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in rejected.jsonl."""
        return {"rule": self.rule, "detail": self.detail, "text": self.text, "synthesis": self.origin.as_json()}


Result: TypeAlias = Kept | Reject


@dataclass(slots=True)
class Outcome:
    """All results so far, in an order that does not depend on which reply came first.

    `begun` says whether the server took the first request, so that there is something to write.
    """

    kept: list[Kept] = field(default_factory=list)
    rejected: list[Reject] = field(default_factory=list)
    tasks: int = 0
    begun: bool = False

    def add(self, result: Result) -> None:
        """Take a result."""
        if isinstance(result, Kept):
            self.kept.append(result)
        else:
            self.rejected.append(result)

    @property
    def reasons(self) -> Counter[str]:
        """How many were rejected by each rule."""
        return Counter(reject.rule for reject in self.rejected)
