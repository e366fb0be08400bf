"""What rejects whole conversations: pieces of split ones, their language, copies, questions of an evaluation.

A filter works in two steps, so that dumps of any size stream through it: `features` makes a small value of each
conversation, in any process; `decide` sees all values in input order, in one process.
"""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from data_tools.records import Record
from data_tools.rules.config import Rules


class Verdict(NamedTuple):
    """Why a conversation is rejected: the rule's name for the ledger, and what a person needs to check it."""

    rule: str
    because: str


class Filter(Protocol):
    """One filter. Its values are small, and can be pickled."""

    def features(self, records: Sequence[Record]) -> Sequence[Any]:
        """What the decision needs of each conversation; all have messages."""

    def decide(self, values: Sequence[Any]) -> list[Verdict | None]:
        """For each value, in input order, why its conversation is rejected, or None."""


def filters_of(rules: Rules) -> list[Filter]:
    """The filters that the rules switch on, in the order in which they decide.

    Raises InputError where a language is not known, or a file of questions cannot be read.
    """
    chosen: list[Filter] = []
    if rules.split_pieces == "drop":
        from data_tools.filters.split_pieces import SplitPieceFilter

        chosen.append(SplitPieceFilter())
    if rules.languages:
        from data_tools.filters.language import LanguageFilter

        chosen.append(LanguageFilter(rules.languages, keep_unknown=rules.unknown_language == "keep"))
    if rules.evaluation_questions:
        from data_tools.filters.decontaminate import ContaminationFilter

        chosen.append(ContaminationFilter(rules.evaluation_questions))
    if rules.near_duplicate:
        from data_tools.filters.near_duplicates import NearDuplicateFilter

        chosen.append(NearDuplicateFilter(rules.near_duplicate))
    return chosen


def features_of(records: Sequence[Record], filters: Sequence[Filter]) -> list[tuple[Any, ...] | None]:
    """One value for each filter, of each conversation; None for one that has nothing left to decide about."""
    members = [record for record in records if record.messages]
    values = [one.features(members) for one in filters]
    rows: Iterator[tuple[Any, ...]] = zip(*values, strict=True) if filters else repeat(())
    return [next(rows) if record.messages else None for record in records]


def decide_all(rows: Sequence[tuple[Any, ...] | None], filters: Sequence[Filter]) -> list[Verdict | None]:
    """The first verdict on each conversation; a later filter sees only what the earlier ones let pass.

    So the conversation that a near duplicate is rejected for is always one that is kept. `rows` are in input order,
    each of `features_of`; None stands for a conversation that is rejected already.
    """
    verdicts: list[Verdict | None] = [None] * len(rows)
    for number, one in enumerate(filters):
        members = [at for at, row in enumerate(rows) if row is not None and verdicts[at] is None]
        values = [row[number] for row in (rows[at] for at in members) if row is not None]
        for at, verdict in zip(members, one.decide(values), strict=True):
            verdicts[at] = verdict
    return verdicts


def reject_filtered(records: Sequence[Record], filters: Sequence[Filter]) -> list[dict[str, object]]:
    """Reject what the filters do not let pass, by name; a report row for each rejected conversation."""
    verdicts = decide_all(features_of(records, filters), filters)
    report: list[dict[str, object]] = []
    for record, verdict in zip(records, verdicts, strict=True):
        if verdict is not None:
            record.reject(verdict.rule)
            report.append(report_row(record.source, record.id, verdict))
    return report


def report_row(source: str, conversation: str, verdict: Verdict) -> dict[str, object]:
    """A rejected conversation in the report.

    >>> report_row("dump.json#7", "aBcDeFg_0", Verdict("language", "fr"))
    {'source': 'dump.json#7', 'conversation': 'aBcDeFg_0', 'rule': 'language', 'because': 'fr'}
    """
    return {"source": source, "conversation": conversation, **verdict._asdict()}
