"""The ledger: a row for each input turn with its fate and the rule that decided it. Nothing is lost without a name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_tools.pieces import JOINED
from data_tools.records import Record, Turn
from data_tools.windows import Fate
from templates import Message
from templates.encoder import Encoder

SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("record", pa.int64()),
        ("conversation", pa.string()),
        ("turn", pa.int64()),
        ("role", pa.string()),
        ("fate", pa.string()),
        ("rule", pa.string()),
        ("supervised_tokens", pa.int64()),
        ("part", pa.string()),
    ]
)


# What a process says of its records: the ledger but for the part, and which turns no rule rejected so far.
_BATCH_SCHEMA = pa.schema([*list(SCHEMA)[:-1], ("open", pa.bool_())])


@dataclass(slots=True)
class Ledger:
    """Collects a row for each input turn of some records.

    `fate` is trained, context or rejected. `rule` is the reason of a rejection, or `merged`, `shortened`, `continued`
    for a turn that is kept in another form. `supervised_tokens` are the reply's tokens: trained ones, or those that a
    rejected reply held. `part` is train, held_out or none; `turn` -1 stands for a `system` key or a whole bad record.
    """

    rows: list[tuple[str, int, str, int, str, str, str, int, bool]] = field(default_factory=list)
    _held: list[tuple[int, str]] = field(default_factory=list)  # rejected replies: their row and their text

    def add(self, record: Record, *, fate: Fate | None) -> None:
        """Enter all turns of a record; `fate` is None where none of its messages reached the tokenizer."""
        message_of = {position: k for k, group in enumerate(record.message_turns) for position in group}
        for position, turn in enumerate(record.turns):
            message = message_of.get(position)
            if fate is None or message is None:
                self._add_row(record, turn, fate="rejected", rule=turn.rule)
            else:
                self._add_kept(record, turn, fate, message)

    def _add_kept(self, record: Record, turn: Turn, fate: Fate, message: int) -> None:
        rule = turn.rule or fate.changed.get(message, "") or (JOINED if turn.joined else "")
        # A merged message's tokens stand in the row of its first turn.
        tokens = fate.supervised[message] if turn.rule != "merged" else 0
        if message in fate.rejected:
            self._add_row(record, turn, fate="rejected", rule=fate.rejected[message])
        elif fate.supervised[message]:
            self._add_row(record, turn, fate="trained", rule=rule, tokens=tokens)
        elif message in fate.seen:
            self._add_row(record, turn, fate="context", rule=rule)
        else:
            self._add_row(record, turn, fate="rejected", rule="no_supervised_reply")

    def _add_row(self, record: Record, turn: Turn, *, fate: str, rule: str, tokens: int = 0) -> None:
        if fate == "rejected" and turn.role == "assistant" and turn.text.strip():
            self._held.append((len(self.rows), turn.text))
        is_open = turn.rule in ("", "merged")
        row = (record.file, record.index, record.id, turn.index, turn.role or "", fate, rule, tokens, is_open)
        self.rows.append(row)

    def count_rejected_tokens(self, encoder: Encoder) -> None:
        """Enter what each rejected reply would have brought, by encoding it alone as a reply."""
        texts = [text for _, text in self._held]
        for (row, _), tokens in zip(self._held, reply_lengths(texts, encoder), strict=True):
            self.rows[row] = (*self.rows[row][:7], tokens, self.rows[row][8])
        self._held.clear()

    def batch(self) -> pa.RecordBatch:
        """The rows in Arrow's form: the ledger's columns but for the part, and `open`."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(_BATCH_SCHEMA)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, _BATCH_SCHEMA.types, strict=True)]
        return pa.record_batch(arrays, schema=_BATCH_SCHEMA)


def whole_ledger(
    batches: Sequence[pa.RecordBatch], *, turns: Sequence[int], rejected: Sequence[str], parts: Sequence[str]
) -> pa.Table:
    """The ledger of all records in input order: how many `turns` each has, its part, and the rule that rejects it.

    A conversation that is rejected as a whole gives the rule to those of its turns that have no other reason; what
    its replies would have taught stays in their rows.
    """
    table = pa.Table.from_batches(batches, _BATCH_SCHEMA)
    of_row = np.repeat(np.arange(len(turns)), turns)
    if any(rejected):
        table = _reject(table, pa.array(rejected, pa.string()).take(pa.array(of_row)))
    part = pa.array(parts, pa.string()).take(pa.array(of_row))
    return table.drop_columns("open").append_column("part", part).cast(SCHEMA)


def _reject(table: pa.Table, rules: pa.Array) -> pa.Table:
    hit = pc.and_(table["open"], pc.not_equal(rules, ""))
    for name, values in (("fate", "rejected"), ("rule", rules)):
        at = table.column_names.index(name)
        table = table.set_column(at, name, pc.if_else(hit, values, table[name]))
    return table


def reply_lengths(texts: Sequence[str], encoder: Encoder) -> list[int]:
    """The tokens of each text as a reply with its stop; also of replies that cannot be taught exactly."""
    question = Message(role="user", content="Hello")
    if not texts:
        return []
    pairs = [[question, Message(role="assistant", content=text)] for text in ("Hello", *texts)]
    first, *encoded = encoder.encode(pairs)
    if not len(first.id_array):
        return [0] * len(texts)
    around = first.turn_ends[1] - first.turn_ends[0] - first.supervised[1]
    return [one.supervised[1] or max(0, one.turn_ends[1] - one.turn_ends[0] - around) for one in encoded]


def write_ledger(table: pa.Table, path: Path) -> None:
    """Write the ledger as Parquet."""
    pq.write_table(table, path, compression="zstd")


def turn_counts(table: pa.Table) -> dict[str, int]:
    """The sums that the manifest states; the fates partition the turns."""
    fates = Counter(dict(_sums(table, "fate", [("fate", "count")])))
    tokens = Counter(dict(_sums(table, "fate", [("supervised_tokens", "sum")])))
    counts = {
        "turns_in": table.num_rows,
        "turns_trained": fates["trained"],
        "turns_context": fates["context"],
        "turns_rejected": fates["rejected"],
        "supervised_tokens_in": tokens.total(),
        "supervised_tokens": tokens["trained"],
    }
    assert counts["turns_in"] == fates.total(), f"fates do not add up: {fates}"  # noqa: S101
    return counts


def rejected_by_rule(table: pa.Table) -> dict[str, dict[str, int]]:
    """For each rule that rejects: how many turns, and the supervised tokens that they held; the most turns first."""
    rejected = table.filter(pc.equal(table["fate"], "rejected"))
    grouped = rejected.group_by("rule").aggregate([("rule", "count"), ("supervised_tokens", "sum")]).to_pylist()
    grouped.sort(key=lambda row: (-row["rule_count"], row["rule"]))
    return {
        row["rule"]: {"turns": row["rule_count"], "supervised_tokens": row["supervised_tokens_sum"]} for row in grouped
    }


def _sums(table: pa.Table, key: str, aggregations: list[tuple[str, str]]) -> list[tuple[str, int]]:
    grouped = table.group_by(key).aggregate(aggregations)
    values = grouped[f"{aggregations[0][0]}_{aggregations[0][1]}"].to_pylist()
    return list(zip(grouped[key].to_pylist(), values, strict=True))
