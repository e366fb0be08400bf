"""The models of a run: an API, a directory that is served for the time, or a file of saved answers; what each gave."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from data_tools.progress import progress
from evaluate.answers import Answer, ask_questions, saved_answers
from evaluate.asking import Endpoint, find_endpoint, open_client
from evaluate.held_out import read_conversations
from evaluate.instructions import ask_instructions, own_instructions
from evaluate.local_server import serving
from evaluate.perplexity import ConversationLoss, Named, held_out_losses
from evaluate.questions import Question, read_answers
from templates import InputError

KEY_NAMES = ("OPENAI_API_KEY",)


@dataclass(frozen=True)
class Asked:
    """What a run asks of each model: the questions, and how. `held_out` are conversations for loss and parity."""

    questions: Sequence[Question]
    out: Path
    max_tokens: int
    concurrency: int
    held_out: Path | None = None
    held_out_limit: int = 100


@dataclass
class Model:
    """A model and what it gave; None where it was not measured. `source` is what the user gave."""

    name: str
    source: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    instructions: dict[str, str] | None = None
    parity: dict[str, Any] | None = None
    losses: list[ConversationLoss] | None = None

    @property
    def directory(self) -> Path | None:
        """The model directory, where that is what was given."""
        return Path(self.source) if Path(self.source).is_dir() else None


def ask_model(source: str, *, name: str | None, store: str, asked: Asked) -> Model:
    """Ask a model everything. `name` picks one of an API's models; `store` names the file of its replies.

    Raises InputError where the source is nothing that can be asked, or stops answering.
    """
    if source.startswith(("http://", "https://")):
        endpoint = find_endpoint(source, model=name, flag="MODEL_OR_URL", key_names=KEY_NAMES)
        return _ask(Model(endpoint.model, source), endpoint, store, asked)
    path = Path(source)
    if path.is_file():
        answers = saved_answers(read_answers(path), asked.questions)
        return Model(path.stem.removeprefix("answer_"), source, answers)
    if not path.is_dir():
        raise InputError(f"{source}: neither an address (http://...), a model directory nor a file of saved answers")
    with _directory_endpoint(path) as (endpoint, url):
        model = _ask(Model(endpoint.model, source), endpoint, store, asked)
        model.parity = _parity(path, url, _conversations(asked))
    return measure_losses(model, asked)


def measure_losses(model: Model, asked: Asked) -> Model:
    """Add the held-out losses of a model directory, where there are conversations to measure on."""
    conversations = _conversations(asked)
    if model.directory and conversations:
        with progress("loss", total=len(conversations)) as report:
            model.losses = held_out_losses(model.directory, conversations, on_conversation=lambda: report(1))
    return model


@contextmanager
def _directory_endpoint(path: Path) -> Iterator[tuple[Endpoint, str]]:
    """A served directory, known by its weights, since its address changes with every run."""
    weights = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in sorted(path.glob("*.safetensors"))]
    with serving(path) as url:
        found = find_endpoint(url, model=None, flag=str(path), key_names=())
        identity = {"model": found.model, "directory": str(path.resolve()), "weights": weights}
        yield Endpoint(found.base_url, found.model, None, identity), url


def _ask(model: Model, endpoint: Endpoint, store: str, asked: Asked) -> Model:
    instructions = own_instructions()
    total = sum(len(question.turns) for question in asked.questions) + len(instructions)

    async def ask(on_answer: Callable[[], None]) -> None:
        async with open_client(endpoint, asked.out / store, concurrency=asked.concurrency) as client:
            model.answers, model.instructions = await asyncio.gather(
                ask_questions(client, asked.questions, max_tokens=asked.max_tokens, on_answer=on_answer),
                ask_instructions(client, instructions, max_tokens=asked.max_tokens, on_answer=on_answer),
            )

    with progress("answers", total=total) as report:
        asyncio.run(ask(lambda: report(1)))
    return model


def _conversations(asked: Asked) -> list[Named]:
    return list(read_conversations(asked.held_out, limit=asked.held_out_limit)) if asked.held_out else []


def _parity(directory: Path, url: str, conversations: Sequence[Named]) -> dict[str, Any]:
    """Whether the server reads prompts as the trainer does: held-out conversations, else forged control strings."""
    from serve.parity import Server, compare
    from serve.parity_command import hostile
    from templates.loading import load_encoder

    encoder = load_encoder("tokenizer", directory)

    async def run() -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=url.removesuffix("/v1"), timeout=120) as client:
            parity = await compare(Server(client), encoder, conversations or hostile(encoder))
        return {"agreed": parity.agreed, "conversations": parity.conversations, "prompts": parity.prompts}

    return asyncio.run(run())
