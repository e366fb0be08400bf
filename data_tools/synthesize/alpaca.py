"""Alpaca (Stanford, 2023): many tasks a request, one instance each, then Self-Instruct's filters.

Numbers from generate_instruction.py and prompt.txt of github.com/tatsu-lab/stanford_alpaca: 3 of the seeds as examples,
20 tasks in all a request, temperature 1, top_p 1, 3,072 tokens. text-davinci-003 went on from the examples; a chat
model is asked for the rest.
"""

from data_tools.synthesize import filters, parsing
from data_tools.synthesize.client import Sampling
from data_tools.synthesize.records import Kept, Origin, Reject, Result, Step
from data_tools.synthesize.run import Run, Stream, in_order
from data_tools.synthesize.seed_tasks import Seed
from data_tools.synthesize.similarity import SimilarityIndex

EXAMPLES, TASKS = 3, 20
SAMPLING = Sampling(max_tokens=3072, temperature=1.0, top_p=1.0)
_TEXT = {"type": "string"}
_TASK = {
    "type": "object",
    "properties": {"instruction": _TEXT, "input": _TEXT, "output": _TEXT},
    "required": ["instruction", "input", "output"],
    "additionalProperties": False,
}
_SCHEMA = {
    "type": "object",
    "properties": {"tasks": {"type": "array", "items": _TASK, "minItems": 1, "maxItems": TASKS - EXAMPLES}},
    "required": ["tasks"],
    "additionalProperties": False,
}


async def alpaca(run: Run) -> Stream:
    """Results, a request at a time, without end."""
    pool = SimilarityIndex([seed.instruction for seed in run.seeds])
    async for task, examples, step in in_order(lambda number: _write(run, number), width=run.width):
        origin = Origin("alpaca", task, tuple(seed.id for seed in examples), (step,))
        written = parsing.tasks(step.reply.text, cut=step.reply.cut_off)
        results = [judge(run, one, origin, pool, number) for number, one in enumerate(written)]
        yield results or [Reject(unreadable(step), step.reply.text, origin)]


async def _write(run: Run, number: int) -> tuple[str, list[Seed], Step]:
    task = f"alpaca-{number:06}"
    examples = run.random(task).sample(list(run.seeds), min(EXAMPLES, len(run.seeds)))
    shown = "\n".join(_example(at, seed) for at, seed in enumerate(examples, 1))
    step = await run.ask(
        "tasks",
        task=task,
        sampling=SAMPLING,
        form="tasks",
        schema=_SCHEMA,
        examples=shown,
        count=TASKS - len(examples),
        next=len(examples) + 1,
    )
    return task, examples, step


def judge(run: Run, task: parsing.Task, origin: Origin, pool: SimilarityIndex, number: int) -> Result:
    """Keep a task, and add it to the pool, or say why not."""
    shown = "\n".join(part for part in task if part)
    if not task.instruction:
        return Reject("no_instruction", shown, origin)
    rule = filters.instruction_rule(task.instruction, language=run.language, leaks=run.leaks)
    rule = rule or filters.instance_rule(task.input, task.output)
    if rule:
        return Reject(rule, shown, origin)
    if like := pool.most_similar(task.instruction):
        return Reject("too_similar", shown, origin, f"ROUGE-L {like.score:.2f} with text {like.place} of the pool")
    pool.add(task.instruction)
    return Kept(f"{origin.task}-{number:02}", *task, origin)


def unreadable(step: Step) -> str:
    """Why a reply gives nothing at all."""
    if step.reply.finish_reason == "refused":
        return "server_refused"
    if filters.is_refusal(step.reply.text):
        return "refusal"
    return "cut_off" if step.reply.cut_off else "unreadable"


def _example(number: int, seed: Seed) -> str:
    """A seed as an example.

    >>> print(_example(2, Seed("s", "Add.", "", "5")))
    ###
    2. Instruction: Add.
    2. Input:
    <noinput>
    2. Output:
    5
    """
    instruction = " ".join(seed.instruction.split()).rstrip(":")
    given = seed.input or "<noinput>"
    return f"###\n{number}. Instruction: {instruction}\n{number}. Input:\n{given}\n{number}. Output:\n{seed.output}"
