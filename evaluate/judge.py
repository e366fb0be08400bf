"""A judge: grades one answer, or compares two in either order. A verdict that cannot be read is asked for again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from data_tools.synthesize.client import Client, Sampling
from evaluate.prompts import JudgePrompt, Mode, Prompts, fill
from evaluate.questions import Question
from evaluate.verdicts import Kind, Reading, Value, read_json, read_text

TRIES = 3
# The first try is the judge's best guess; at the same temperature the next one would say the same.
_TEMPERATURES = (0.0, 0.5, 1.0)
# Characters of an explanation for each token that the judge may write: its JSON has to end within them.
_CHARACTERS = 2
_AS_JSON = {
    "rating": 'Write it as a JSON object instead: first "explanation", then "rating", a number from 1 to 10.',
    "winner": 'Write it as a JSON object instead: first "explanation", then "winner": "A", "B" or "tie".',
}


@dataclass(frozen=True)
class Judgement:
    """What a judge said of one turn of one question.

    `value` is a rating, or the winner (`A` was shown first); None with a `problem` where none could be read. `texts`
    are the judge's replies, the last of which decides. `prompt` is the name of the prompt.
    """

    question: str
    turn: int
    value: Value | None
    problem: str = ""
    texts: list[str] = field(default_factory=list)
    prompt: str = ""


@dataclass(frozen=True)
class Judge:
    """A judge at an endpoint. `structured`: it is asked for JSON, which the server holds it to."""

    client: Client
    prompts: Prompts
    max_tokens: int
    structured: bool

    async def grade(self, question: Question, answers: Sequence[str], *, turn: int, label: str) -> Judgement:
        """Grade one answer. `answers` are those of all turns; `label` tells the models apart."""
        return await self._judge("single", question, [answers], turn=turn, task=f"grade {label}")

    async def compare(
        self, question: Question, first: Sequence[str], second: Sequence[str], *, turn: int, label: str
    ) -> Judgement:
        """Compare two answers; `A` is the first. `label` tells the orders apart."""
        return await self._judge("pairwise", question, [first, second], turn=turn, task=f"compare {label}")

    async def _judge(
        self, mode: Mode, question: Question, answers: Sequence[Sequence[str]], *, turn: int, task: str
    ) -> Judgement:
        prompt = self.prompts.choose(mode, reference_guided=question.is_reference_guided, turn=turn)
        messages = fill(prompt, question, answers, turn=turn)
        schema = self._schema(prompt.kind)
        if schema:
            messages[0]["content"] += " " + _AS_JSON[prompt.kind]
        texts: list[str] = []
        reading = Reading(None)
        for number in range(TRIES):
            reply = await self.client.ask(
                purpose=f"{prompt.name}, try {number + 1}",
                task=f"{question.id}: {task}, turn {turn}",
                messages=messages,
                sampling=Sampling(max_tokens=self.max_tokens, temperature=_TEMPERATURES[number]),
                schema=schema,
            )
            texts.append(reply.text)
            if reply.finish_reason == "refused":
                return self._judgement(question, turn, Reading(None, "refused by the judge's server"), texts, prompt)
            shown = [text for side in answers for text in side[:turn]]
            reading = (
                read_json(reply.text, prompt.kind) if schema else read_text(reply.text, prompt.kind, answers=shown)
            )
            if reading.value is not None:
                break
            if reply.cut_off:
                reading = Reading(None, f"{reading.problem}, cut off at {self.max_tokens} tokens")
        return self._judgement(question, turn, reading, texts, prompt)

    @staticmethod
    def _judgement(question: Question, turn: int, reading: Reading, texts: list[str], prompt: JudgePrompt) -> Judgement:
        return Judgement(question.id, turn, reading.value, reading.problem, texts, prompt.name)

    def _schema(self, kind: Kind) -> dict[str, Any] | None:
        """The form of the verdict, where the judge is held to one; two ratings are asked for as text alone."""
        return verdict_schema(kind, self.max_tokens) if self.structured and kind in _AS_JSON else None


def verdict_schema(kind: Kind, max_tokens: int) -> dict[str, Any]:
    """The JSON schema of a verdict: the reason first, so that the verdict follows from it."""
    name = "rating" if kind == "rating" else "winner"
    verdict = {"type": "integer", "minimum": 1, "maximum": 10} if kind == "rating" else {"enum": ["A", "B", "tie"]}
    explanation = {"type": "string", "maxLength": _CHARACTERS * max_tokens}
    return {
        "type": "object",
        "properties": {"explanation": explanation, name: verdict},
        "required": ["explanation", name],
        "additionalProperties": False,
    }


async def offers_structure(client: Client) -> bool:
    """Whether the judge's server holds a reply to a JSON schema, tried with one small request."""
    schema = {"type": "object", "properties": {"rating": {"enum": [7]}}, "required": ["rating"]}
    reply = await client.ask(
        purpose="does it offer structured output?",
        task="probe",
        messages=[{"role": "user", "content": "Say hello in one word."}],
        sampling=Sampling(max_tokens=64, temperature=0.0),
        schema=schema,
    )
    # A small model may fill the rest with white space; without the schema, no greeting begins with a brace.
    return reply.finish_reason != "refused" and reply.text.startswith("{")
