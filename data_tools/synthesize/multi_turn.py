"""Conversations of many turns: a model that plays the user goes on from a seed, and the model answers.

The simulated user has a manner (curious, in a hurry, doubtful ...), so that conversations of one seed differ. Self-chat
of this kind is Baize's (arXiv 2304.01196); the numbers here are ours.
"""

import re
from dataclasses import dataclass, field

from data_tools.synthesize import eliminators, filters
from data_tools.synthesize.alpaca import unreadable
from data_tools.synthesize.budget import BudgetSpent
from data_tools.synthesize.client import Messages, Sampling
from data_tools.synthesize.records import Kept, Origin, Reject, Result, Step
from data_tools.synthesize.run import Run, Stream, in_order
from data_tools.synthesize.seed_tasks import Seed
from data_tools.synthesize.similarity import SimilarityIndex

TURNS = 3
USER_SAMPLING = Sampling(max_tokens=256, temperature=1.0, top_p=0.9)
REPLY_SAMPLING = Sampling(max_tokens=2048, temperature=0.7, top_p=0.9)
END = "[END]"
_NAMES = {"en": ("User", "Assistant"), "zh": ("用户", "助手")}
_PREFIX = re.compile(r"^\W*(?:user|用户)\s*[:：]\s*", re.IGNORECASE)
_OTHER = re.compile(r"\n\s*\W*(?:assistant|user|助手|用户)\W*[:：]", re.IGNORECASE)


async def multi_turn(run: Run, *, turns: int = TURNS) -> Stream:
    """Results, a conversation of up to `turns` pairs at a time, without end: seeds come again, with other manners."""
    seeds = list(run.seeds)
    run.random("order of the seeds").shuffle(seeds)
    async for result in in_order(
        lambda n: _converse(run, n, seeds[n % len(seeds)], turns), width=run.width, unpaid=run.lookback
    ):
        yield [result]


@dataclass(slots=True)
class _Talk:
    """A conversation in the making: its whole pairs, the requests, and why it ended."""

    manner: str
    messages: Messages = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    ended: str = ""


async def _converse(run: Run, number: int, seed: Seed, turns: int) -> Result:
    """One conversation; it ends early, with whole pairs, where the user or a reply gives nothing to go on from."""
    task = f"multi-turn-{number:06}"
    talk = _Talk(run.random(task).choice(run.prompts.lines("manners")))
    question = seed.question
    try:
        for turn in range(turns):
            if turn:
                question = await _next_question(run, f"{task}-{turn}", talk)
            if not talk.ended:
                await _answer(run, f"{task}-{turn}", talk, question)
            if talk.ended:
                break
    except BudgetSpent:
        if not talk.messages:
            raise
        talk.ended = "budget_spent"
    origin = Origin(
        "multi-turn", task, (seed.id,), tuple(talk.steps), {"manner": talk.manner, "ended": talk.ended or "turns"}
    )
    if len(talk.messages) < 4:
        return Reject(talk.ended or "one_turn", "\n\n".join(one["content"] for one in talk.messages), origin)
    *history, asked, reply = talk.messages
    return Kept(task, asked["content"], "", reply["content"], origin, tuple(history))


async def _answer(run: Run, task: str, talk: _Talk, question: str) -> None:
    asked = [*talk.messages, {"role": "user", "content": question}]
    step = await run.send("the conversation itself", asked, task=task, sampling=REPLY_SAMPLING)
    talk.steps.append(step)
    talk.ended = _reply_rule(step)
    if not talk.ended:
        talk.messages = [*asked, {"role": "assistant", "content": step.reply.text}]


async def _next_question(run: Run, task: str, talk: _Talk) -> str:
    conversation = _shown(talk.messages, run.language)
    step = await run.ask(
        "next_user_turn", task=task, sampling=USER_SAMPLING, conversation=conversation, manner=talk.manner
    )
    talk.steps.append(step)
    question = said(step.reply.text)
    talk.ended = _user_rule(run, question, step, talk.messages)
    return question


def said(text: str) -> str:
    """What the simulated user says: without its name, and without the assistant's part if it went on.

    >>> said("User: And in winter?\\nAssistant: Then it sleeps.")
    'And in winter?'
    """
    return _OTHER.split(_PREFIX.sub("", text.strip()), maxsplit=1)[0].strip().strip('"').strip()


def _reply_rule(step: Step) -> str:
    if step.reply.cut_off or step.reply.finish_reason == "refused":
        return unreadable(step)
    return eliminators.reply_rule(step.reply.text)


def _user_rule(run: Run, text: str, step: Step, messages: Messages) -> str:
    """Why a simulated user's turn cannot be used; `user_ended` is no fault."""
    if END in text:
        return "user_ended"
    if step.reply.cut_off or step.reply.finish_reason == "refused":
        return unreadable(step)
    if not text or filters.is_refusal(text):
        return "refusal" if text else "no_instruction"
    if filters.leaks_in(text, run.leaks):
        return "prompt_leak"
    earlier = [message["content"] for message in messages]
    return "too_similar" if SimilarityIndex(earlier).most_similar(text) else ""


def _shown(messages: Messages, language: str) -> str:
    user, assistant = _NAMES[language]
    return "\n\n".join(f"{user if one['role'] == 'user' else assistant}: {one['content']}" for one in messages)
