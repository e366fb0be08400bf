"""Self-Instruct (arXiv 2212.10560) in its four steps: new instructions, classification or not, instances, filtering.

Numbers from the paper (section 2.2, appendix A) and its code: 8 examples of which 2 are the model's own
(bootstrap_instructions.py), temperature 0.7, top_p 0.5, presence penalty 2, 1,024 tokens; classification greedily;
up to 5 instances, greedily, presence penalty 1.5, 350 tokens, 300 for classification, whose output is written first so
that inputs do not all lean to one label (generate_instances.py).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from data_tools.synthesize import filters, parsing
from data_tools.synthesize.alpaca import unreadable
from data_tools.synthesize.budget import BudgetSpent
from data_tools.synthesize.client import Sampling
from data_tools.synthesize.records import Kept, Origin, Reject, Result, Step
from data_tools.synthesize.run import Run, Stream, in_order
from data_tools.synthesize.similarity import SimilarityIndex

EXAMPLES, OWN_EXAMPLES, INSTRUCTIONS, INSTANCES = 8, 2, 8, 5
INSTRUCTION_SAMPLING = Sampling(max_tokens=1024, temperature=0.7, top_p=0.5, presence_penalty=2.0)
# The paper reads 3 tokens of a completion; a chat model may say "Classification: yes".
CLASSIFICATION_SAMPLING = Sampling(max_tokens=8, temperature=0.0)
INPUT_FIRST_SAMPLING = Sampling(max_tokens=350, temperature=0.0, presence_penalty=1.5)
OUTPUT_FIRST_SAMPLING = Sampling(max_tokens=300, temperature=0.0, presence_penalty=1.5)


def _array(name: str, item: dict[str, object], most: int) -> dict[str, object]:
    items = {"type": "array", "items": item, "minItems": 1, "maxItems": most}
    return {"type": "object", "properties": {name: items}, "required": [name], "additionalProperties": False}


def _pair(*names: str) -> dict[str, object]:
    texts = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": texts, "required": list(names), "additionalProperties": False}


_INSTRUCTIONS = _array("instructions", {"type": "string"}, INSTRUCTIONS)
_INPUT_FIRST = _array("instances", _pair("input", "output"), INSTANCES)
_OUTPUT_FIRST = _array("instances", _pair("output", "input"), INSTANCES)


@dataclass(slots=True)
class _Pool:
    """The model's own instructions, and how many there were after each task."""

    index: SimilarityIndex
    own: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def seen_by(self, number: int, lookback: int) -> list[str]:
        """What a task may take examples from: the pool of `lookback` tasks before, whatever has come since."""
        return self.own[: self.sizes[number - lookback]] if number >= lookback else []


@dataclass(slots=True)
class _Waiting:
    """A task whose instructions are judged, and whose instances are being made."""

    rejects: list[Result]
    instances: list[asyncio.Task[list[Result]]]

    def done(self) -> bool:
        return all(task.done() for task in self.instances)

    async def results(self) -> list[Result]:
        found = list(self.rejects)
        for task in self.instances:
            with suppress(BudgetSpent):
                found += await task
        return found


async def self_instruct(run: Run) -> Stream:
    """Results, a request for instructions at a time, without end."""
    pool = _Pool(SimilarityIndex([seed.instruction for seed in run.seeds]))
    waiting: deque[_Waiting] = deque()

    def width() -> int:
        making = sum(len(one.instances) for one in waiting)
        return max(1, run.width() - making)

    asked = in_order(lambda number: _invent(run, number, pool), width=width)
    try:
        async for origin, step in asked:
            waiting.append(_judge(run, origin, step, pool))
            pool.sizes.append(len(pool.own))
            await asyncio.sleep(0)  # for instances whose replies are in the store, see in_order
            while waiting and (waiting[0].done() or len(waiting) > run.lookback):
                yield await waiting[0].results()
                waiting.popleft()
        while waiting:  # the budget allows no new instructions: what is paid for is kept
            yield await waiting.popleft().results()
    finally:
        await asked.aclose()
        for task in (task for one in waiting for task in one.instances):
            task.cancel()


async def _invent(run: Run, number: int, pool: _Pool) -> tuple[Origin, Step]:
    task = f"self-instruct-{number:06}"
    rng, own = run.random(task), pool.seen_by(number, run.lookback)
    of_model = rng.sample(own, min(OWN_EXAMPLES, len(own)))
    of_people = rng.sample(list(run.seeds), min(EXAMPLES - len(of_model), len(run.seeds)))
    shown = of_model + [seed.instruction for seed in of_people]
    rng.shuffle(shown)
    listed = "\n".join(f"{at}. {' '.join(text.split()).rstrip(':')}" for at, text in enumerate(shown, 1))
    step = await run.ask(
        "instructions",
        task=task,
        sampling=INSTRUCTION_SAMPLING,
        form="instructions",
        schema=_INSTRUCTIONS,
        examples=listed,
        count=INSTRUCTIONS,
    )
    seeds = tuple(seed.id for seed in of_people)
    return Origin("self-instruct", task, seeds, (step,), {"own_examples": of_model}), step


def _judge(run: Run, origin: Origin, step: Step, pool: _Pool) -> _Waiting:
    """Take what is new of a reply's instructions into the pool, and begin to make their instances."""
    waiting = _Waiting([], [])
    written = parsing.instructions(step.reply.text, cut=step.reply.cut_off)
    for number, instruction in enumerate(written):
        rule = filters.instruction_rule(instruction, language=run.language, leaks=run.leaks)
        like = None if rule else pool.index.most_similar(instruction)
        if rule or like:
            detail = f"ROUGE-L {like.score:.2f} with text {like.place} of the pool" if like else ""
            waiting.rejects.append(Reject(rule or "too_similar", instruction, origin, detail))
            continue
        pool.index.add(instruction)
        pool.own.append(instruction)
        making = _instances(run, f"{origin.task}-{number:02}", instruction, origin)
        waiting.instances.append(asyncio.create_task(making))
    if not written:
        waiting.rejects.append(Reject(unreadable(step), step.reply.text, origin))
    return waiting


async def _instances(run: Run, task: str, instruction: str, origin: Origin) -> list[Result]:
    """Steps two and three for an instruction, and the filter of its instances."""
    kind = await run.ask("classification", task=task, sampling=CLASSIFICATION_SAMPLING, instruction=instruction)
    output_first = parsing.is_yes(kind.reply.text) is True
    name, form = ("instances_output_first",) * 2 if output_first else ("instances_input_first", "instances")
    sampling = OUTPUT_FIRST_SAMPLING if output_first else INPUT_FIRST_SAMPLING
    schema = _OUTPUT_FIRST if output_first else _INPUT_FIRST
    step = await run.ask(
        name, task=task, sampling=sampling, form=form, schema=schema, instruction=instruction, count=INSTANCES
    )
    details = {**origin.details, "is_classification": output_first}
    origin = Origin(origin.method, task, origin.seeds, (*origin.steps, kind, step), details)
    pairs = parsing.instances(step.reply.text, cut=step.reply.cut_off, output_first=output_first)
    if not pairs:
        return [Reject(unreadable(step), f"{instruction}\n{step.reply.text}", origin)]
    return _kept(task, instruction, pairs, origin)


def _kept(task: str, instruction: str, pairs: Sequence[tuple[str, str]], origin: Origin) -> list[Result]:
    rules = filters.instance_rules(pairs, most=INSTANCES)
    return [
        Reject(rule, "\n".join((instruction, *pair)), origin)
        if rule
        else Kept(f"{task}-{number}", instruction, *pair, origin)
        for number, (pair, rule) in enumerate(zip(pairs, rules, strict=True))
    ]
