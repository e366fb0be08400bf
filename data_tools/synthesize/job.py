"""One command's whole work: opens the store, settles what a run must not change, runs the method, writes the files."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from data_tools.synthesize.alpaca import alpaca
from data_tools.synthesize.budget import Budget, Limit, Price
from data_tools.synthesize.client import Client, Sampling
from data_tools.synthesize.evol_instruct import ROUNDS, evol_instruct
from data_tools.synthesize.multi_turn import TURNS, multi_turn
from data_tools.synthesize.outputs import write_outputs
from data_tools.synthesize.progress import showing
from data_tools.synthesize.prompt_files import Prompts
from data_tools.synthesize.records import Outcome
from data_tools.synthesize.report import write_report
from data_tools.synthesize.run import Overrides, Run, Stream, collect
from data_tools.synthesize.seed_tasks import Seed, digest_of, load_seeds
from data_tools.synthesize.self_instruct import self_instruct
from data_tools.synthesize.store import FILE_NAME, Store, Sums
from templates import InputError

METHODS = ("self-instruct", "alpaca", "evol-instruct", "multi-turn")
# A reply that keeps to this form shows that the server offers JSON schemas.
_PROBE = {"type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]}
# Enough tasks under way that the server is busy while the oldest is waited for.
_LOOKBACK = 4
_PROBE_SAMPLING = Sampling(max_tokens=32, temperature=0.0)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    method: str
    out: Path
    target: int
    base_url: str = "http://127.0.0.1:8000/v1"
    model: str | None = None
    api_key: str | None = None
    seeds: Path | None = None
    prompts: Path | None = None
    language: str = "en"
    budget: Limit | None = None
    price: Price | None = None
    concurrency: int = 16
    seed: int = 0
    rounds: int = ROUNDS
    turns: int = TURNS
    overrides: Overrides = field(default_factory=Overrides)


@dataclass(frozen=True, slots=True)
class Summary:
    """How it went. `ended` says why it ended before the target; `asked` and `seconds` are of this process."""

    outcome: Outcome
    sums: Sums
    ended: str
    asked: int
    seconds: float
    dollars: float
    structured: bool


def synthesize(options: Options) -> Summary:
    """Make data until the target is reached, the budget spent or the seeds used up; go on where a run was killed.

    Raises InputError for bad input, for a server that is not there, and where `out` was begun with other settings;
    what was made before is then on disk. An interrupt leaves the files of what was made so far, too.
    """
    seeds, prompts = load_seeds(options.seeds, language=options.language), Prompts(options.language, options.prompts)
    store, outcome = Store(options.out / FILE_NAME), Outcome()
    try:
        model = options.model or store.settled("model") or _only_model(options)
        _settle(store, options, model=model, seeds=digest_of(seeds), prompts=prompts.digest)
        return asyncio.run(_run(options, store=store, model=model, prompts=prompts, seeds=seeds, outcome=outcome))
    finally:
        if outcome.begun:
            write_outputs(options.out, outcome)
            write_report(options.out, outcome, seeds, _facts(options, store, prompts))
        store.close()


async def _run(
    options: Options, *, store: Store, model: str, prompts: Prompts, seeds: Sequence[Seed], outcome: Outcome
) -> Summary:
    begun, held = time.monotonic(), store.sums()
    tokens = {"prompt": held.prompt_tokens, "completion": held.completion_tokens}
    budget = Budget(options.budget, options.price, requests=held.replies, **tokens)
    client = Client(
        base_url=options.base_url,
        model=model,
        store=store,
        budget=budget,
        concurrency=options.concurrency,
        api_key=options.api_key,
    )
    async with client:
        run = Run(
            client=client,
            prompts=prompts,
            seeds=seeds,
            target=options.target,
            structured=store.settle("structured", await _offers_schemas(client)),
            lookback=store.settle("lookback", _LOOKBACK * options.concurrency),
            seed=options.seed,
            overrides=options.overrides,
            outcome=outcome,
        )
        outcome.begun = True
        async with showing(run):
            ended = await collect(run, _stream(run, options))
    seconds = time.monotonic() - begun
    return Summary(outcome, store.sums(), ended, client.asked, seconds, budget.dollars, run.structured)


def _facts(options: Options, store: Store, prompts: Prompts) -> dict[str, object]:
    """What the report says of the run."""
    settings = {name: store.settled(name) for name in ("method", "model", "language", "seed", "structured")}
    own = {"evol-instruct": {"rounds": options.rounds}, "multi-turn": {"turns": options.turns}}.get(options.method, {})
    asked = {name.replace("_", " "): value for name, value in asdict(options.overrides).items()}
    files = {"seeds": options.seeds or "ours", "prompts": options.prompts or "ours", "prompts sha256": prompts.digest}
    sums = {f"{name.replace('_', ' ')} in the store": value for name, value in asdict(store.sums()).items()}
    return {**settings, **own, **asked, **files, **sums}


def _stream(run: Run, options: Options) -> Stream:
    if options.method == "evol-instruct":
        return evol_instruct(run, rounds=options.rounds)
    if options.method == "multi-turn":
        return multi_turn(run, turns=options.turns)
    return {"self-instruct": self_instruct, "alpaca": alpaca}[options.method](run)


async def _offers_schemas(client: Client) -> bool:
    """Whether the server keeps replies to a JSON schema; also the first sign of a server that takes no requests."""
    messages = [{"role": "user", "content": 'Are you ready? Answer with JSON: {"ready": true}'}]
    probe = {"task": "probe", "messages": messages, "sampling": _PROBE_SAMPLING}
    with_schema = await client.ask(purpose="with a schema", schema=_PROBE, **probe)  # type: ignore[arg-type]
    if with_schema.finish_reason == "refused":
        without = await client.ask(purpose="without a schema", **probe)  # type: ignore[arg-type]
        if without.finish_reason == "refused":
            raise InputError(f"--base-url {client.base_url}: refuses requests ({without.text}); see the server's log")
    return with_schema.text.startswith("{")


def _settle(store: Store, options: Options, **made: str) -> None:
    """Hold the options against those that the first run in this directory had: with others, no reply would fit."""
    asked = {
        "method": options.method,
        "model": made["model"],
        "seeds": made["seeds"],
        "prompts": made["prompts"],
        "language": options.language,
        "seed": options.seed,
        "rounds": options.rounds,
        "turns": options.turns,
        **asdict(options.overrides),
    }
    for name, value in asked.items():
        if (held := store.settle(name, value)) != value:
            shown = "" if name in ("seeds", "prompts") else f" ({held}, now {value})"
            raise InputError(
                f"--out {options.out}: was begun with another {name.replace('_', ' ')}{shown}; "
                "give the same options to go on, or a new directory"
            )


def _only_model(options: Options) -> str:
    """The model that the server serves. Raises InputError where it cannot be told."""
    headers = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    try:
        response = httpx.get(f"{options.base_url.rstrip('/')}/models", headers=headers, timeout=10)
        response.raise_for_status()
        models = [str(card["id"]) for card in response.json()["data"]]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InputError(
            f"--base-url {options.base_url}: {error or type(error).__name__}; is the server up? "
            "`chaku serve MODEL` starts one"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"--base-url {options.base_url}: lists no models; name one with --model") from error
    if len(models) != 1:
        raise InputError(f"--base-url {options.base_url}: serves {', '.join(models)}; name one with --model")
    return models[0]
