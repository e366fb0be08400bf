"""How diverse the kept records are: families, verbs, lengths, languages, likeness to seeds and to each other."""

import random
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from data_tools.filters.language import language_of
from data_tools.synthesize.records import Kept, Outcome
from data_tools.synthesize.seed_tasks import Seed
from data_tools.synthesize.similarity import SimilarityIndex, tokenize
from data_tools.synthesize.verbs import FAMILIES, family_of, verb_and_object
from templates import Message

# Records whose nearest neighbours are searched for; of more, so many are drawn.
_MOST_SEARCHED = 2000
_LENGTHS = (5, 10, 20, 30, 50, 80, 120, 200, 400)
_TOP_VERBS, _TOP_PAIRS = 12, 16


class Plot(NamedTuple):
    """A plot of bars. `unit` says what is counted, `note` what a reader must know."""

    title: str
    unit: str
    note: str
    bars: list[tuple[str, int]]


class Diversity(NamedTuple):
    """The plots, and a few figures for the head of the page."""

    plots: list[Plot]
    verbs: int
    pairs: int
    nearest: float | None


def diversity(outcome: Outcome, seeds: Sequence[Seed]) -> Diversity:
    """Measure it. Raises nothing: an outcome without records has no plots but the reasons for rejection."""
    kept = outcome.kept
    pairs = [verb_and_object(record.instruction) for record in kept]
    with_object = Counter(f"{verb} {noun}" for verb, noun in pairs if noun)
    verbs = Counter(verb for verb, _ in pairs if verb)
    families = Counter(_families(kept, seeds))
    to_seeds, to_others = _nearest(kept, seeds)
    plots = [
        _counts("Task families", "records", "told by the opening verb, else by the seed's", families, FAMILIES),
        _top("Verbs", "records", f"that open an instruction; the most frequent of {len(verbs):,}", verbs, _TOP_VERBS),
        _top(
            "Verbs with their objects", "records", f"the most frequent of {len(with_object):,}", with_object, _TOP_PAIRS
        ),
        _lengths("Length of instructions", (record.question for record in kept)),
        _lengths("Length of outputs", (record.output for record in kept)),
        _top("Languages", "records", "of instruction and output together", _languages(kept), 10),
        _scores("Likeness to the nearest seed", to_seeds),
        _scores("Likeness to the nearest other record", to_others),
        *_of_method(outcome),
        _top("Rejected", "texts", "by the rule that decided", outcome.reasons, 16),
    ]
    nearest = statistics.median(to_others) if to_others else None
    return Diversity([plot for plot in plots if plot.bars], len(verbs), len(with_object), nearest)


def _families(kept: Sequence[Kept], seeds: Sequence[Seed]) -> Iterable[str]:
    """The family of each record; one that opens with no known verb has its first seed's, from which it evolved."""
    of_seed = {seed.id: seed.family or family_of(seed.instruction) for seed in seeds}
    for record in kept:
        family = family_of(record.instruction)
        roots = record.origin.seeds[:1] if family == "other" and "parent" in record.origin.details else ()
        yield of_seed.get(roots[0], family) if roots else family


def _nearest(kept: Sequence[Kept], seeds: Sequence[Seed]) -> tuple[list[float], list[float]]:
    """ROUGE-L of instructions with the nearest seed, and with the nearest other record."""
    of_seeds, of_records = SimilarityIndex([seed.instruction for seed in seeds]), SimilarityIndex()
    instructions = [record.instruction for record in kept]
    asked = instructions
    if len(asked) > _MOST_SEARCHED:
        asked = random.Random(0).sample(instructions, _MOST_SEARCHED)  # noqa: S311 no secret
    # An instruction is added once, so that instances of one are not each other's neighbours.
    distinct = list(dict.fromkeys(instructions))
    places = {text: place for place, text in enumerate(distinct)}
    for text in distinct:
        of_records.add(text)
    to_seeds = [_score(of_seeds, text, None) for text in dict.fromkeys(asked)]
    to_others = [_score(of_records, text, places[text]) for text in dict.fromkeys(asked)]
    return to_seeds, to_others if len(distinct) > 1 else []


def _score(index: SimilarityIndex, text: str, own_place: int | None) -> float:
    found = index.most_similar(text, above=0.0, other_than=own_place)
    return found.score if found else 0.0


def _languages(kept: Sequence[Kept]) -> Counter[str]:
    texts = (f"{record.question}\n{record.output}" for record in kept)
    return Counter(language_of([Message(role="user", content=text)]) for text in texts)


def _of_method(outcome: Outcome) -> list[Plot]:
    """Plots of what only some methods have: operations and rounds, turns, classification."""
    details = [record.origin.details for record in outcome.kept]
    operations = Counter(_words(one["operation"]) for one in details if "operation" in one)
    rounds = Counter(f"round {one['round']}" for one in details if "round" in one)
    kinds = Counter(
        "classification" if one["is_classification"] else "other tasks" for one in details if "is_classification" in one
    )
    turns = Counter(f"{len(record.messages) // 2} questions" for record in outcome.kept if record.history)
    return [
        _top("Operations", "records", "that evolved an instruction", operations, 6),
        _counts("Rounds", "records", "of evolution", rounds, sorted(rounds)),
        _top("Classification", "records", "by the model's own word", kinds, 2),
        _counts("Turns", "conversations", "questions and answers", turns, sorted(turns)),
    ]


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _counts(title: str, unit: str, note: str, counts: Mapping[str, int], names: Iterable[str]) -> Plot:
    return Plot(title, unit, note, [(name, counts[name]) for name in names if counts.get(name)])


def _top(title: str, unit: str, note: str, counts: Counter[str], most: int) -> Plot:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return Plot(title, unit, note, [(_words(name), count) for name, count in ordered[:most]])


def _lengths(title: str, texts: Iterable[str]) -> Plot:
    """Texts by length in words, where a Chinese character is one.

    >>> _lengths("Lengths", ["a b c", "one two three four five six"]).bars
    [('up to 5', 1), ('6 to 10', 1)]
    """
    sizes = [len(tokenize(text)) for text in texts]
    bars = [(f"up to {_LENGTHS[0]}", sum(size <= _LENGTHS[0] for size in sizes))]
    bars += [(f"{low + 1} to {high}", sum(low < size <= high for size in sizes)) for low, high in pairwise(_LENGTHS)]
    bars.append((f"over {_LENGTHS[-1]}", sum(size > _LENGTHS[-1] for size in sizes)))
    last = max((at for at, (_, count) in enumerate(bars) if count), default=-1)
    return Plot(title, "records", "in words, or in characters of Chinese", bars[: last + 1])


def _scores(title: str, scores: Sequence[float]) -> Plot:
    """Scores by tenths."""
    tenths = Counter(min(int(score * 10), 9) for score in scores)
    bars = [(f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}", tenths[tenth]) for tenth in range(10)]
    return Plot(title, "instructions", "ROUGE\u2011L: 0 shares no word, 1 is the same", bars if scores else [])
