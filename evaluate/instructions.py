"""Instructions that a program can check, in IFEval's manner (arXiv 2311.07911), with prompts of this project's own."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from data_tools.filters.language import language_of
from data_tools.synthesize.client import Client, Sampling
from evaluate.questions import json_lines, own_text
from evaluate.statistics import share
from templates import Message

# What the longest of these prompts needs.
_MOST_TOKENS = 400
_WORD = re.compile(r"[\w'’-]+")


@dataclass(frozen=True)
class Instruction:
    """A prompt, and the checks that its answer has to pass: the name of each and its parameters."""

    id: str
    prompt: str
    checks: tuple[dict[str, Any], ...]


def own_instructions() -> list[Instruction]:
    """The prompts of this project."""
    lines = json_lines(own_text("instructions.jsonl"))
    return [Instruction(line["id"], line["prompt"], tuple(line["checks"])) for line in lines]


async def ask_instructions(
    client: Client, instructions: Sequence[Instruction], *, max_tokens: int, on_answer: Callable[[], None]
) -> dict[str, str]:
    """The answers by id, at temperature 0 and of at most 400 tokens."""

    async def ask(one: Instruction) -> str:
        messages = [{"role": "user", "content": one.prompt}]
        sampling = Sampling(max_tokens=min(max_tokens, _MOST_TOKENS), temperature=0.0)
        reply = await client.ask(purpose="follow an instruction", task=one.id, messages=messages, sampling=sampling)
        on_answer()
        return reply.text

    answers = await asyncio.gather(*map(ask, instructions))
    return {one.id: answer for one, answer in zip(instructions, answers, strict=True)}


def grade_instructions(instructions: Sequence[Instruction], answers: Mapping[str, str]) -> dict[str, Any]:
    """IFEval's accuracies: of prompts (every check passed) and of single checks, strict and loose, and each result."""
    rows = []
    for one in instructions:
        answer = answers[one.id]
        strict = [passes(check, answer) for check in one.checks]
        loose = [any(passes(check, variant) for variant in variants(answer)) for check in one.checks]
        names = [check["check"] for check in one.checks]
        rows.append(
            {"id": one.id, "prompt": one.prompt, "answer": answer, "checks": names, "strict": strict, "loose": loose}
        )
    found: dict[str, Any] = {"rows": rows}
    for name in ("strict", "loose"):
        results = [row[name] for row in rows]
        flat = [passed for row in results for passed in row]
        for level, hits, n in (("prompts", sum(map(all, results)), len(results)), ("checks", sum(flat), len(flat))):
            estimate = share(hits, n)
            found[f"{level}_{name}"] = estimate.to_json() if estimate else None
    return found


def passes(check: Mapping[str, Any], answer: str) -> bool:
    """Whether an answer passes one check.

    >>> passes({"check": "words_at_most", "n": 3}, "Three words here.")
    True
    """
    parameters = {name: value for name, value in check.items() if name != "check"}
    return bool(answer.strip()) and _CHECKS[check["check"]](answer.strip(), **parameters)


def variants(answer: str) -> list[str]:
    """IFEval's loose readings: without the first line, the last line, both, and each without asterisks.

    >>> variants("Sure:\\nyes")
    ['Sure:\\nyes', 'Sure:', 'yes', '', 'Sure:\\nyes', 'Sure:', 'yes', '']
    """
    lines = answer.strip().split("\n")
    cuts = [lines, lines[:-1], lines[1:], lines[1:-1]]
    texts = ["\n".join(cut).strip() for cut in cuts]
    return [text if keep else text.replace("*", "") for keep, text in product((True, False), texts)]


def _lines_with(answer: str, pattern: str) -> int:
    return len(re.findall(pattern, answer, re.MULTILINE))


def _folded(text: str) -> str:
    """The bare answer: signs around it dropped, in lower case."""
    return re.sub(r"^\W+|\W+$", "", text).lower()


def _json(answer: str) -> Any:  # noqa: ANN401 any JSON value
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", answer, re.DOTALL)
    try:
        return json.loads(fenced[1] if fenced else answer)
    except ValueError:
        return None


def _has_keys(answer: str, keys: Sequence[str]) -> bool:
    found = _json(answer)
    return isinstance(found, dict) and set(found) == set(keys)


def _is_list(answer: str, n: int) -> bool:
    found = _json(answer)
    return isinstance(found, list) and len(found) == n


def _word_times(answer: str, word: str, n: int) -> bool:
    return bool(sum(found.lower() == word for found in _WORD.findall(answer)) >= n)


def _separated(answer: str, mark: str, n: int) -> bool:
    parts = re.split(rf"^\s*{re.escape(mark)}\s*$", answer, flags=re.MULTILINE)
    return len(parts) == n and all(part.strip() for part in parts)


_CHECKS: dict[str, Callable[..., bool]] = {
    "words_at_most": lambda answer, n: len(_WORD.findall(answer)) <= n,
    "words_at_least": lambda answer, n: len(_WORD.findall(answer)) >= n,
    "characters_at_most": lambda answer, n: len(re.sub(r"\s", "", answer)) <= n,
    "bullets": lambda answer, n: _lines_with(answer, r"^\s*[-*•]\s*\S") == n,
    "numbered": lambda answer, n: _lines_with(answer, r"^\s*\d+[.)、]\s*\S") == n,
    "paragraphs": lambda answer, n: len(re.split(r"\n\s*\n", answer)) == n,
    "lower_case": lambda answer: answer == answer.lower(),
    "upper_case": lambda answer: answer == answer.upper(),
    "contains": lambda answer, texts: all(text in answer for text in texts),
    "avoids": lambda answer, texts: not any(text in answer for text in texts),
    "avoids_words": lambda answer, words: not {found.lower() for found in _WORD.findall(answer)} & set(words),
    "word_times": _word_times,
    "starts_with": lambda answer, text: answer.startswith(text),
    "ends_with": lambda answer, text: answer.endswith(text),
    "one_of": lambda answer, texts: _folded(answer) in texts,
    "in_quotes": lambda answer: bool(re.fullmatch(r'["“].+["”]', answer, re.DOTALL)),
    "json_keys": _has_keys,
    "json_list": _is_list,
    "separated": _separated,
    "language": lambda answer, code: language_of([Message(role="assistant", content=answer)]) == code,
}
