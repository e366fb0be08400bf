"""`chaku data prepare`: dumps in, packed windows with loss masks out, and a ledger of what became of each turn."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_tools.atomic import refuse_foreign, whole_directory
from data_tools.cleaning import clean_dumps
from data_tools.filters import filters_of, reject_filtered
from data_tools.ledger import Ledger, rejected_by_rule, write_ledger
from data_tools.manifest import (
    FILE_NAME,
    PARTS,
    describe_cleaning,
    describe_encoder,
    describe_inputs,
    of_part,
    part_counts,
    versions,
)
from data_tools.packing import pack
from data_tools.plain import size_of
from data_tools.progress import progress
from data_tools.records import Branches, Record
from data_tools.rules.config import Rules, describe_rules
from data_tools.shards import write_conversations, write_windows
from data_tools.split import held_out, reject_duplicates
from data_tools.windows import Document, Fate, WindowMaker
from templates import InputError
from templates.encoder import Encoder
from templates.loading import load_encoder

# Where the windows are less full than this, some documents are cut once more; large dumps never need it.
FULL_ENOUGH = 0.995


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `chaku data prepare` is asked to do; `held_out` is a share of the conversations, `overlap` counts pairs."""

    inputs: tuple[Path, ...]
    model: str
    template: str
    out: Path
    window: int = 2048
    held_out: float = 0.02
    overlap: int = 0
    seed: int = 0
    workers: int | None = None
    format: str | None = None
    branches: Branches = "main"
    rules: Rules = field(default_factory=Rules)


@dataclass(slots=True)
class Part:
    """One part of the data: its conversations with their documents, and which documents share a window."""

    records: list[Record]
    documents: list[Document] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    windows: list[list[int]] = field(default_factory=list)


def prepare(options: Options) -> dict[str, Any]:
    """Do all of it and return the manifest. Raises InputError with one line for anything wrong with the input."""
    started = time.perf_counter()
    refuse_foreign(options.out, marker=FILE_NAME)
    encoder = load_encoder(options.template, options.model)
    records, changed, filtered = read_and_clean(options)
    parts = make_parts(records, options)
    for part in parts.values():
        make_windows(part, encoder, options)
    ledger = enter_all(records, parts, encoder)
    manifest = describe(records, parts, ledger, options=options, encoder=encoder)
    manifest["cleaning"] = describe_cleaning(changed)
    manifest["rules"] = describe_rules(options.rules)
    manifest["seconds"] = round(time.perf_counter() - started, 2)
    write(options.out, parts, ledger, manifest, filtered=filtered)
    return manifest


def read_and_clean(options: Options) -> tuple[list[Record], Counter[str], list[dict[str, object]]]:
    """All records, cleaned and repaired; how many turns each rule changed; what the filters rejected."""
    filters = filters_of(options.rules)
    records: list[Record] = []
    changed: Counter[str] = Counter()
    with progress("clean", total=size_of(options.inputs)) as report:
        cleaned = clean_dumps(
            options.inputs,
            workers=options.workers,
            report=report,
            rules=options.rules,
            format=options.format,
            branches=options.branches,
        )
        for batch, counts in cleaned:
            records += batch
            changed += counts
    reject_duplicates(records)
    return records, changed, reject_filtered(records, filters)


def make_parts(records: Sequence[Record], options: Options) -> dict[str, Part]:
    """The train and the held-out part of the conversations that have something to teach."""
    usable = [record for record in records if record.messages]
    if not usable:
        raise InputError(
            f"{options.inputs[0]}: not one conversation has a question with a reply; `chaku data prepare --help` "
            "describes the form of a dump"
        )
    flags = held_out(usable, fraction=options.held_out, seed=options.seed)
    return {
        name: Part([record for record, flag in zip(usable, flags, strict=True) if flag == (name == "held_out")])
        for name in PARTS
    }


def make_windows(part: Part, encoder: Encoder, options: Options) -> None:
    """Encode a part's conversations, cut them into documents, and pack those into windows."""
    conversations = [record.conversation for record in part.records]
    with progress("encode", total=len(conversations)) as report:
        maker = WindowMaker(
            conversations, encoder=encoder, window=options.window, overlap=options.overlap, report=report
        )
        maker.run()
        part.windows = _pack(maker.documents, options)
        tokens = sum(len(document.ids) for document in maker.documents)
        if tokens < FULL_ENOUGH * len(part.windows) * options.window:
            maker.cut_to_fit()
            part.windows = _pack(maker.documents, options)
    part.documents, part.fates = maker.documents, maker.fates()


def _pack(documents: Sequence[Document], options: Options) -> list[list[int]]:
    return pack([len(document.ids) for document in documents], window=options.window, seed=options.seed)


def enter_all(records: Sequence[Record], parts: dict[str, Part], encoder: Encoder) -> pa.Table:
    """The ledger over every input turn, in input order."""
    known: dict[int, tuple[str, Fate | None]] = {}
    for name, part in parts.items():
        known |= {id(record): (name, fate) for record, fate in zip(part.records, part.fates, strict=True)}
    ledger = Ledger()
    for record in records:
        part_name, its_fate = known.get(id(record), ("none", None))
        ledger.add(record, fate=its_fate, part=part_name)
    ledger.count_rejected_tokens(encoder)
    return ledger.table()


def describe(
    records: Sequence[Record], parts: dict[str, Part], ledger: pa.Table, *, options: Options, encoder: Encoder
) -> dict[str, Any]:
    """The manifest, its sums checked against the windows."""
    by_part = {
        name: part_counts(
            of_part(ledger, name), len(part.records), documents=part.documents, windows=len(part.windows),
            window=options.window,
        )
        for name, part in parts.items()
    }  # fmt: skip
    together = [document for part in parts.values() for document in part.documents]
    windows = sum(len(part.windows) for part in parts.values())
    total = part_counts(ledger, len(records), documents=together, windows=windows, window=options.window)
    total["conversations_kept"] = sum(counts["conversations_kept"] for counts in by_part.values())
    asked = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(options).items()
        if key != "rules"
    }
    return {
        **describe_encoder(encoder, model=options.model),
        "window": options.window,
        "counts": total,
        "parts": by_part,
        "rejected": rejected_by_rule(ledger),
        "inputs": describe_inputs(options.inputs),
        "options": asked | {"inputs": [str(path) for path in options.inputs]},
        "versions": versions(),
    }


def write(
    out: Path,
    parts: dict[str, Part],
    ledger: pa.Table,
    manifest: dict[str, Any],
    *,
    filtered: Sequence[dict[str, object]],
) -> None:
    """Write everything under a temporary name, then rename it to `out`."""
    with whole_directory(out, marker=FILE_NAME) as folder:
        for name, part in parts.items():
            sources = [record.id for record in part.records]
            write_windows(folder / name, part.windows, documents=part.documents, sources=sources)
            kept = sorted({document.conversation for document in part.documents})
            # Not beside the shards, so that `datasets` finds nothing but windows there.
            write_conversations(
                folder / "conversations" / f"{name}.jsonl", [part.records[number].conversation for number in kept]
            )
        if filtered:
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in filtered]
            (folder / "filtered.jsonl").write_text("".join(lines), encoding="utf-8")
        write_ledger(ledger, folder / "ledger.parquet")
        (folder / FILE_NAME).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
