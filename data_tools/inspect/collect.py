"""All that the page shows, as plain values: numbers of the whole, some conversations, rejected turns by rule."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data_tools.inspect.before import Place, Reread, Texts, reread, versions_note, way_of
from data_tools.inspect.documents import Document, SpanTable, documents_of, in_order
from data_tools.manifest import PARTS
from data_tools.prepared import Prepared
from data_tools.progress import progress
from data_tools.rules.text import RULES
from data_tools.sample import choose
from data_tools.stats import histograms
from templates import InputError
from templates.encoder import Encoder
from templates.loading import load_encoder

# Texts of rejected turns a rule, and characters of a text: a page is for looking at.
_MOST_REJECTED = 200
_MOST_CHARACTERS = 20_000
_SUMMARY = 160
# What the eye cannot see, or what turns text around; joiners stay, which emoji and Indic letters need.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Content:
    """What goes into the page: one value for the whole, the span table, and a value a conversation and a rule."""

    overview: dict[str, Any]
    spans: list[list[object]]
    conversations: list[dict[str, Any]]
    rejected: list[list[dict[str, Any]]]


def collect(prepared: Prepared, *, model: str | None, most: int) -> Content:
    """Gather it, for `most` conversations chosen by chance where there are more.

    Raises InputError where the manifest's tokenizer (or the one of `model`) cannot be loaded or is another one.
    """
    encoder = _encoder(prepared.manifest, model)
    everything = ((part, line) for part in PARTS for line in prepared.conversations(part))
    chosen, total = choose(everything, n=most, seed=0)
    rows = _with_sources(prepared.ledger())
    ledger = _by_conversation(rows, {line["source"] for _, line in chosen})
    rejected = _rejected(rows, list(prepared.manifest["rejected"]))
    again = _reread(prepared, [*ledger.values(), *rejected], takes_tools=encoder.takes_tools)
    again.notes += _differing(chosen, ledger, again)
    table = SpanTable()
    documents = documents_of(prepared, {line["id"] for _, line in chosen})
    shown = [
        _conversation(part, line, ledger[line["source"], line["id"]], again)
        | {"documents": _documents(line, documents[line["id"]], encoder, table)}
        for part, line in chosen
    ]
    return Content(
        overview=_overview(prepared, shown, total, again.notes),
        spans=table.rows,
        conversations=[{key: one[key] for key in ("turns", "documents")} for one in shown],
        rejected=[[_turn(row, _texts(row, again), where=True) for row in turns] for turns in rejected],
    )


def _encoder(manifest: Mapping[str, Any], model: str | None) -> Encoder:
    encoder = load_encoder(manifest["options"]["template"], model or manifest["tokenizer"])
    if encoder.fingerprint.parts["tokenizer"] != manifest["fingerprint"]["parts"]["tokenizer"]:
        raise InputError(
            f"{model or manifest['tokenizer']}: not the tokenizer that made these windows; name the right model "
            "with --model"
        )
    return encoder


def _with_sources(table: pa.Table) -> pa.Table:
    sources = pc.binary_join_element_wise(table["file"], pc.cast(table["record"], pa.string()), "#")
    return table.append_column("source", sources)


def _by_conversation(table: pa.Table, wanted: set[str]) -> dict[tuple[str, str], list[Row]]:
    """The rows of each conversation from these sources: a record with branches makes several."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in table.filter(pc.is_in(table["source"], pa.array(sorted(wanted), pa.string()))).to_pylist():
        found[row["source"], row["conversation"]].append(row)
    return found


def _place(row: Row) -> Place:
    return row["file"], row["record"], row["conversation"]


def _rejected(table: pa.Table, rules: Sequence[str]) -> list[list[Row]]:
    """The first rejected turns of each rule."""
    rejected = table.filter(pc.equal(table["fate"], "rejected"))
    return [rejected.filter(pc.equal(rejected["rule"], rule)).slice(0, _MOST_REJECTED).to_pylist() for rule in rules]


def _reread(prepared: Prepared, groups: Iterable[Sequence[Row]], *, takes_tools: bool) -> Reread:
    wanted = {_place(row) for rows in groups for row in rows}
    inputs = prepared.manifest["inputs"]
    way, notes = way_of(prepared.manifest)
    with progress("read again", total=sum(described["bytes"] for described in inputs)) as report:
        again = reread(inputs, wanted, replace(way, takes_tools=takes_tools), report=report)
    cleaning = {rule: done for rule, done in prepared.manifest["cleaning"].items() if "turns_changed" in done}
    note = versions_note(cleaning, {rule.name: rule.version for rule in RULES})
    again.notes += [*notes, note] if note else notes
    return again


def _differing(
    chosen: Sequence[tuple[str, dict[str, Any]]], ledger: Mapping[tuple[str, str], list[Row]], again: Reread
) -> list[str]:
    """A note on conversations that come out of today's cleaning otherwise than they stand in the windows."""
    count = 0
    for _, line in chosen:
        [row, *_] = ledger[line["source"], line["id"]]
        then = [(message["role"], message["content"]) for message in line["messages"]]
        count += again.messages.get(_place(row), then) != then
    return [f"{count:,} of these conversations are cleaned otherwise today than in the windows"] if count else []


def _conversation(part: str, line: Mapping[str, Any], rows: Sequence[Row], again: Reread) -> dict[str, Any]:
    """One conversation with all its input turns; where the dump is gone, with its messages and its rejected rows."""
    turns = [_turn(row, _texts(row, again)) for row in rows]
    if not any("after" in turn for turn in turns):
        kept = [{"role": one["role"], "fate": "kept", "after": clip(one["content"])} for one in line["messages"]]
        turns = [*kept, *(turn for turn in turns if turn["fate"] == "rejected")]
    question = next((one["content"] for one in line["messages"] if one["role"] == "user"), "")
    return {
        "id": clip(line["id"]),
        "source": clip(line["source"]),
        "part": part,
        "summary": clip(" ".join(question[: 4 * _SUMMARY].split())[:_SUMMARY]),
        "turns": turns,
        "messages": len(line["messages"]),
        "rules": sorted({rule for turn in turns for rule in (turn.get("rule", ""), *turn.get("by", [])) if rule}),
    }


def _texts(row: Row, again: Reread) -> Texts | None:
    return again.turns.get(_place(row), {}).get(row["turn"])


def _turn(row: Row, texts: Texts | None, *, where: bool = False) -> dict[str, Any]:
    """A row of the ledger with its text; `before` only where cleaning changed it."""
    turn: dict[str, Any] = {"role": row["role"] or "unknown role", "fate": row["fate"], "rule": row["rule"]}
    turn |= {"number": row["turn"], "tokens": row["supervised_tokens"]}
    if where:
        turn |= {"id": clip(row["conversation"]), "source": clip(row["source"])}
    if texts is not None:
        turn["after"] = clip(texts.after)
        if texts.changed_by:
            turn |= {"before": clip(texts.before), "by": texts.changed_by}
    return turn


def _documents(
    line: Mapping[str, Any], documents: Sequence[Document], encoder: Encoder, table: SpanTable
) -> list[dict[str, object]]:
    if len(documents) == 1:
        return [documents[0].for_page(encoder, table)]
    ordered = in_order(documents, [message["content"] for message in line["messages"]], encoder)
    return [document.for_page(encoder, table) for document in ordered]


def _overview(prepared: Prepared, shown: Sequence[dict[str, Any]], total: int, notes: Sequence[str]) -> dict[str, Any]:
    manifest = prepared.manifest
    keys = ("template", "tokenizer", "window", "counts", "parts", "rejected", "cleaning", "inputs", "versions")
    listed = [
        {key: one[key] for key in ("id", "source", "part", "summary", "messages", "rules")}
        | {key: sum(document[key] for document in one["documents"]) for key in ("tokens", "supervised")}
        for one in shown
    ]
    return {key: manifest[key] for key in keys} | {
        "name": prepared.folder.resolve().name,
        "fingerprint": manifest["fingerprint"]["digest"],
        "options": {key: str(value) for key, value in manifest["options"].items() if key != "inputs"},
        "plots": [asdict(plot) for plot in histograms(prepared)],
        "list": listed,
        "total": total,
        "notes": list(notes),
    }


def clip(text: str) -> str:
    """A text for the page: what is unseen in it is spelled out, and what is beyond 20,000 characters is counted.

    >>> clip("a\\u200bb")
    'a\\\\u200bb'
    """
    more = len(text) - _MOST_CHARACTERS
    seen = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text[:_MOST_CHARACTERS])
    return f"{seen}\n[... {more:,} more characters]" if more > 0 else seen
