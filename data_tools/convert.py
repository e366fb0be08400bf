"""`chaku data convert`: the conversations of dumps in another convention, word for word."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from data_tools.atomic import whole_file
from data_tools.plain import as_messages, definitions_in, json_line, read_plain, readable_turns, size_of
from data_tools.progress import progress
from data_tools.records import Branches, Record, Turn
from data_tools.rules.roles import repair
from data_tools.rules.tools import DEFINITION, calls_as_json, calls_of
from templates import InputError

_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}

Shaped = tuple[dict[str, object] | None, Counter[str]]


@dataclass(slots=True)
class Converted:
    """How many conversations were written; what had no known role or text; what the convention cannot hold."""

    written: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    not_held: Counter[str] = field(default_factory=Counter)


def convert(
    inputs: Sequence[Path], *, to: str, out: Path, format: str | None = None, branches: Branches = "main"
) -> Converted:
    """Write all conversations of the dumps to `out` as JSON Lines, one at a time, so that memory stays flat.

    Texts are not cleaned: there and back is lossless in all that the convention holds, and the rest is counted.
    Raises InputError for bad input, and where no conversation could be written.
    """
    shape, done = CONVENTIONS[to], Converted()
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        with progress("convert", total=size_of(inputs)) as report:
            for record in read_plain(inputs, report=report, format=format, branches=branches):
                done.unreadable.update(turn.rule for turn in record.turns if turn.rule and turn.rule != DEFINITION)
                line, lost = shape(record)
                done.not_held += lost
                if line is not None:
                    file.write(json_line(line))
                    done.written += 1
        if not done.written:
            raise InputError(f"{inputs[0]}: not one conversation that --to {to} can hold; check its turns")
    return done


def to_messages(record: Record) -> Shaped:
    """The OpenAI convention: ``{"id", "messages": [{"role", "content"}], "source"}``; holds what is well-formed."""
    if not readable_turns(record):
        return None, Counter()
    line = as_messages(record)
    return line, +Counter({DEFINITION: 0 if "tools" in line else len(definitions_in(record))})


def to_sharegpt(record: Record) -> Shaped:
    """The ShareGPT convention: ``{"id", "conversations": [{"from", "value"}]}``; has no train flags."""
    turns = readable_turns(record)
    said = [_sharegpt_turn(turn) for turn in turns]
    line: dict[str, object] = {"id": record.id, "conversations": said}
    for definition in definitions_in(record):
        line["tools"] = definition.text
    return (line if said else None), _flags(turns)


def _sharegpt_turn(turn: Turn) -> dict[str, str]:
    if turn.is_call:
        calls = calls_of(turn.text)
        return {"from": "function_call", "value": calls_as_json(calls) if calls else turn.text}
    return {"from": _SHAREGPT_ROLES[str(turn.role)], "value": turn.text}


def to_alpaca(record: Record) -> Shaped:
    """The Alpaca convention: the last pair as `instruction` and `output`, those before it as `history`, `system`.

    It has no ids, train flags, tool turns or their definitions, and only whole pairs after an optional system prompt;
    what does not fit that shape falls away by the rules of `repair`.

    >>> turns = [Turn(0, "user", "Hi"), Turn(1, "assistant", "Yes?"), Turn(2, "user", "Why?"), Turn(3, "assistant", "")]
    >>> to_alpaca(Record("dump#0", "dump.json", 0, turns))
    ({'instruction': 'Why?', 'input': '', 'output': '', 'history': [['Hi', 'Yes?']]}, Counter())
    """
    turns = readable_turns(record)
    lost = _flags(turns) + Counter({DEFINITION: len(definitions_in(record))})
    said = [(str(turn.role), turn.text) for turn in turns]
    if not _is_pairs(said):
        said = _repaired(record, turns, lost)
    if not said:
        return None, lost
    if record.id != f"{PurePath(record.file).stem}#{record.index}":
        lost["id"] += 1
    *before, (_, question), (_, reply) = said
    system = [text for role, text in before if role == "system"]
    texts = [text for role, text in before if role != "system"]
    history = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    line: dict[str, object] = {"instruction": question, "input": "", "output": reply}
    return line | ({"history": history} if history else {}) | ({"system": system[0]} if system else {}), lost


def _flags(turns: Sequence[Turn]) -> Counter[str]:
    return +Counter({"train_flag": sum(turn.train is not None for turn in turns)})


def _is_pairs(said: Sequence[tuple[str, str]]) -> bool:
    """Whether it is pairs of question and reply, after at most one system prompt that says something."""
    begin = int(bool(said) and said[0][0] == "system" and said[0][1] != "")
    roles = [role for role, _ in said[begin:]]
    return bool(roles) and roles == ["user", "assistant"] * (len(roles) // 2)


def _repaired(record: Record, turns: Sequence[Turn], lost: Counter[str]) -> list[tuple[str, str]]:
    """The pairs that can be made of the turns; counts in `lost` what falls away or is joined, by rule."""
    copy = Record(record.id, record.file, record.index, [Turn(turn.index, turn.role, turn.text) for turn in turns])
    repair(copy)
    lost.update(turn.rule for turn in copy.turns if turn.rule)
    return [(message.role, message.content) for message in copy.messages]


CONVENTIONS: dict[str, Callable[[Record], Shaped]] = {
    "messages": to_messages,
    "sharegpt": to_sharegpt,
    "alpaca": to_alpaca,
}
