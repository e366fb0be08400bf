"""A chat that a person corrected becomes training data, and a model taught by it is served in turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.road import RECIPE, Served, chaku, serving

QUESTION = "What is a chaku?"
CORRECTION = "A chaku is the round-up in which wild animals of the Andes are shorn and set free."
# A handful of steps over one short conversation are enough to know it by heart.
_BY_HEART = (
    *("--schedule.max_steps", "5", "--optimizer.lr", "3e-4", "--validation.windows", "0"),
    *("--generation.max_tokens", "0", "--checkpoint.every", "0"),
)


@dataclass(frozen=True)
class Taught:
    """What the first model said, what was exported, and the model that was taught by it."""

    original: str
    export: Path
    served: Served


def chat(page: str, question: str) -> tuple[str, str, str]:
    """Ask through the page's own routes, greedily; the ids of conversation and reply, and the reply."""
    settings = {"temperature": "0", "max_tokens": "40"}
    view = act(page, do="send", id="", text=question, settings=settings)
    conversation, reply = view["id"], view["growing"]
    deadline = time.monotonic() + 120
    while httpx.get(f"{page}chat/conversation", params={"c": conversation}, timeout=30).json()["growing"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return conversation, reply, httpx.get(f"{page}chat/raw", params={"m": reply}, timeout=30).text.strip()


def act(page: str, *, path: str = "act", **body: object) -> dict[str, Any]:
    answer = httpx.post(f"{page}chat/{path}", json=body, headers={"x-chaku": "1"}, timeout=60)
    view: dict[str, Any] = answer.raise_for_status().json()
    return view


@contextmanager
def taught_road(served: Served, work: Path, *, template: str) -> Iterator[Taught]:
    """Chat, correct, mark, export, prepare, train, serve."""
    conversation, reply, original = chat(served.page, QUESTION)
    act(served.page, do="edit", id=reply, text=CORRECTION)
    act(served.page, path="data/mark", ids=[conversation], mark="yes")
    export, data, model = work / "chats.jsonl", work / "data", work / "taught"
    chaku("chat", "export", "--db", served.db, "--marked", "--to", "sharegpt", "--out", str(export))
    prompt = ("--model", str(served.model), "--template", template, "--window", "256")
    chaku("data", "prepare", str(export), *prompt, "--held-out", "0", "--out", str(data))
    paths = ("--model.path", str(served.model), "--data.path", str(data), "--out", str(model))
    chaku("train", "--config", str(RECIPE), *paths, *_BY_HEART)
    with serving(model, data) as again:
        yield Taught(original, export, again)
