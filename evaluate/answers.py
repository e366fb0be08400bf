"""A model's answers to benchmark questions: every question's turns in order, many questions at once."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data_tools.synthesize.client import Client, Sampling
from evaluate.questions import Question


@dataclass(frozen=True)
class Answer:
    """An answer to one turn. `finish_reason` is the server's, `refused` where it took no such request (then `text`
    is its complaint), `missing` where a file of saved answers has none, or `saved`. `tokens` is 0 where not known.
    """

    text: str
    finish_reason: str
    tokens: int = 0

    @property
    def is_there(self) -> bool:
        """Whether there is an answer to judge."""
        return self.finish_reason not in ("refused", "missing")


async def ask_questions(
    client: Client, questions: Sequence[Question], *, max_tokens: int, on_answer: Callable[[], None]
) -> dict[str, list[Answer]]:
    """The answers by question id; `on_answer` is called after each. A refused turn ends its question."""

    async def ask(question: Question) -> list[Answer]:
        messages: list[dict[str, str]] = []
        answers: list[Answer] = []
        for turn, text in enumerate(question.turns, 1):
            messages.append({"role": "user", "content": text})
            sampling = Sampling(max_tokens=max_tokens, temperature=question.temperature)
            reply = await client.ask(
                purpose=f"answer to turn {turn}", task=question.id, messages=list(messages), sampling=sampling
            )
            answers.append(Answer(reply.text, reply.finish_reason, reply.completion_tokens))
            on_answer()
            if not answers[-1].is_there:
                return answers
            messages.append({"role": "assistant", "content": reply.text})
        return answers

    answered = await asyncio.gather(*map(ask, questions))
    return {question.id: answers for question, answers in zip(questions, answered, strict=True)}


def saved_answers(saved: Mapping[str, Sequence[str]], questions: Sequence[Question]) -> dict[str, list[Answer]]:
    """Saved answers to these questions; a turn that the file lacks is `missing`."""
    answers = {}
    for question in questions:
        texts = saved.get(question.id, ())
        found = [Answer(text, "saved") for text in texts[: len(question.turns)]]
        answers[question.id] = found or [Answer("", "missing")]
    return answers
