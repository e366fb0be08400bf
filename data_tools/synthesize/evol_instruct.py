"""Evol-Instruct (WizardLM, arXiv 2304.12244): instructions made harder step by step, or others of their kind.

Section 3.2: five in-depth operations and one in-breadth, each equally likely; M = 4 rounds; what an eliminator stops
goes back unchanged and may evolve in the next round. Section 4: temperature 1, top_p 0.9, 2,048 tokens, no frequency
penalty. Each seed's chain of rounds is independent of the others, so chains run side by side.
"""

from data_tools.synthesize import eliminators, filters, parsing
from data_tools.synthesize.alpaca import unreadable
from data_tools.synthesize.budget import BudgetSpent
from data_tools.synthesize.client import Sampling
from data_tools.synthesize.records import Kept, Origin, Reject, Result, Step
from data_tools.synthesize.run import Run, Stream, in_order
from data_tools.synthesize.seed_tasks import Seed

ROUNDS = 4
IN_DEPTH = ("add_constraints", "deepen", "concretise", "more_steps", "complicate_input")
OPERATIONS = (*IN_DEPTH, "breadth")
SAMPLING = Sampling(max_tokens=2048, temperature=1.0, top_p=0.9)
JUDGE_SAMPLING = Sampling(max_tokens=8, temperature=0.0)  # ours: a verdict need not vary


async def evol_instruct(run: Run, *, rounds: int = ROUNDS) -> Stream:
    """Results, a seed's chain at a time, in an order that the run's seed fixes; it ends with the seeds."""
    seeds = list(run.seeds)
    run.random("order of the seeds").shuffle(seeds)
    seen = {seed.question for seed in seeds}
    chains = in_order(
        lambda n: _chain(run, n, seeds[n], rounds), width=run.width, count=len(seeds), unpaid=run.lookback
    )
    async for results in chains:
        yield [_once(result, seen) for result in results]


def _once(result: Result, seen: set[str]) -> Result:
    """Two chains may arrive at the same instruction."""
    if isinstance(result, Kept):
        if result.instruction in seen:
            return Reject("repeated", result.instruction, result.origin)
        seen.add(result.instruction)
    return result


async def _chain(run: Run, number: int, seed: Seed, rounds: int) -> list[Result]:
    """The rounds of one seed."""
    results: list[Result] = []
    parent, text = seed.id, seed.question
    for round_ in range(1, rounds + 1):
        try:
            result = await _evolve(run, f"evol-{number:06}-{round_}", seed, parent, text)
        except BudgetSpent:
            if not results:
                raise
            break  # the rounds before are paid for, and kept
        results.append(result)
        if isinstance(result, Kept):
            parent, text = result.id, result.instruction
    return results


async def _evolve(run: Run, task: str, seed: Seed, parent: str, text: str) -> Result:
    """One operation on one instruction; the eliminators that need no request come first."""
    rng = run.random(task)
    operation = rng.choice(OPERATIONS)
    kind = rng.choice(run.prompts.lines("input_kinds"))
    details = {"operation": operation, "round": int(task.rsplit("-", 1)[1]), "parent": parent}

    def origin(*steps: Step) -> Origin:
        return Origin("evol-instruct", task, (seed.id,), steps, details)

    written = await run.ask(f"evolve_{operation}", task=task, sampling=SAMPLING, instruction=text, kind=kind)
    child = parsing.rewritten(written.reply.text)
    if written.reply.cut_off or written.reply.finish_reason == "refused" or filters.is_refusal(child):
        return Reject(unreadable(written), child, origin(written))
    if rule := eliminators.instruction_rule(child, text, leaks=run.leaks):
        return Reject(rule, child, origin(written))
    judged = await run.ask("equal", task=task, sampling=JUDGE_SAMPLING, first=text, second=child)
    if parsing.are_equal(judged.reply.text):
        return Reject("equal_to_parent", child, origin(written, judged))
    question = [{"role": "user", "content": child}]
    answered = await run.send("the instruction itself", question, task=task, sampling=SAMPLING)
    steps, reply = origin(written, judged, answered), answered.reply
    if reply.cut_off or reply.finish_reason == "refused":
        return Reject(unreadable(answered), child, steps)
    if rule := eliminators.reply_rule(reply.text):
        return Reject(rule, f"{child}\n{reply.text}", steps)
    return Kept(task, child, "", reply.text, steps)
