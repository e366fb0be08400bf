"""`chaku data prepare`: dumps in, packed windows with loss masks out, and a ledger of what became of each turn."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from data_tools.atomic import refuse_foreign, whole_directory
from data_tools.cleaning import batches_of, read_dumps
from data_tools.collected import Collected
from data_tools.filters import decide_all, filters_of, report_row
from data_tools.fitting import Fitted, fit
from data_tools.ledger import rejected_by_rule, whole_ledger, write_ledger
from data_tools.maker import Maker, Recipe, load_maker, make_into, pickled_maker
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
from data_tools.plain import json_line, size_of
from data_tools.progress import progress
from data_tools.records import Branches
from data_tools.rules.config import Rules, describe_rules
from data_tools.sent import sent
from data_tools.shards import write_windows
from data_tools.split import copies, held_out
from data_tools.wording import in_words
from data_tools.workers import Workers, apart, cycles_seldom_sought, how_many, processes_for, warm_up, workers_for
from templates import InputError


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `chaku data prepare` is asked to do.

    `held_out` is a share of the conversations, `overlap` counts pairs, `max_pairs` 0 keeps all.
    """

    inputs: tuple[Path, ...]
    model: str
    template: str
    out: Path
    window: int = 2048
    held_out: float = 0.02
    overlap: int = 0
    max_pairs: int = 0
    only_last_turn: bool = False
    seed: int = 0
    workers: int | None = None
    engine: Literal["local", "ray"] = "local"
    format: str | None = None
    branches: Branches = "main"
    rules: Rules = field(default_factory=Rules)


def prepare(options: Options) -> dict[str, Any]:
    """Do all of it and return the manifest. Raises InputError with one line for anything wrong with the input."""
    began = time.perf_counter()
    refuse_foreign(options.out, marker=FILE_NAME)
    workers, encoder = _load(options)
    with ExitStack() as stack:
        folder = stack.enter_context(whole_directory(options.out, marker=FILE_NAME))
        made = stack.enter_context(Collected.in_folder(folder))
        pool = stack.enter_context(workers)
        stack.enter_context(cycles_seldom_sought())
        loaded = time.perf_counter()
        _read(options, pool, made)
        # while the other processes are at rest
        aside = stack.enter_context(ThreadPoolExecutor(2))
        inputs = aside.submit(describe_inputs, options.inputs)
        decided = decide(made, options)
        turns = [one.turns for one in made.summaries]
        entered = aside.submit(whole_ledger, made.ledger, turns=turns, rejected=decided.rules, parts=decided.parts)
        parts = {
            name: fit(made, decided.numbers(name), pool, window=options.window, seed=options.seed) for name in PARTS
        }
        ledger = entered.result()
        manifest = describe(parts, ledger, made, options=options, encoder=encoder, inputs=inputs.result())
        manifest["seconds_loading"] = round(loaded - began, 2)
        manifest["seconds"] = round(time.perf_counter() - began, 2)
        write(folder, parts, ledger, manifest, made=made, filtered=decided.filtered)
    return manifest


def _load(options: Options) -> tuple[AbstractContextManager[Workers[Maker]], dict[str, object]]:
    """Where the work is done, and what the manifest says of the encoder, which is here only where the work is too."""
    recipe = Recipe(**{one.name: getattr(options, one.name) for one in fields(Recipe)})
    workers = how_many(options.workers, options.inputs)
    if workers == 1 and options.engine == "local":
        maker = load_maker(recipe, template=options.template, model=options.model)
        return workers_for(maker, 1), describe_encoder(maker.encoder, model=options.model)
    if options.engine == "local":
        # pyarrow loads pandas when it is first given a list, to see whether that is of pandas' kind
        warm_up(["data_tools.maker", "transformers.utils.chat_template_utils", "pandas"])
        Thread(target=pa.array, args=([0],)).start()
    pickled, encoder = apart(pickled_maker, recipe, template=options.template, model=options.model)
    if options.engine == "ray":
        from data_tools.engine_ray import ray_workers

        return ray_workers(pickled, options.workers), encoder
    return processes_for(pickled, workers), encoder


def _read(options: Options, pool: Workers[Maker], made: Collected) -> None:
    """All records, batch by batch, to documents."""
    with progress("prepare", total=size_of(options.inputs)) as report:
        raws = read_dumps(options.inputs, rules=options.rules, format=options.format, report=report)
        if options.engine == "ray":  # its processes may be on other machines
            results = pool.map(Maker.make, batches_of(raws))
        else:
            results = pool.map(partial(make_into, made.spools.folder), batches_of(map(sent, raws)))
        for one in results:
            made.add(one)


@dataclass(frozen=True)
class Decided:
    """For each record in input order the rule that rejects it as a whole, or nothing, and its part."""

    rules: list[str]
    parts: list[str]
    filtered: list[dict[str, object]]

    def numbers(self, part: str) -> list[int]:
        """The records of a part."""
        return [number for number, its in enumerate(self.parts) if its == part]


def _nothing_left(made: Collected, rules: Sequence[str], options: Options) -> str:
    """Why a dump teaches nothing: the rules that rejected its turns, or its conversations as a whole."""
    reasons = Counter(rule for batch in made.ledger for rule in batch.column("rule").to_pylist() if rule)
    reasons.update(rule for rule in rules if rule)
    return (
        f"{options.inputs[0]}: not one of {len(rules)} conversations has a question with a reply to teach; rejected by "
        f"rule: {in_words(reasons)}; `chaku data prepare --help` describes the form of a dump"
    )


def decide(made: Collected, options: Options) -> Decided:
    """Copies, filters, and the held-out part. Raises InputError where nothing is left to teach."""
    summaries = made.summaries
    rules = copies([one.keys for one in summaries])
    features = [None if rule else one.features for one, rule in zip(summaries, rules, strict=True)]
    filtered: list[dict[str, object]] = []
    for number, verdict in enumerate(decide_all(features, filters_of(options.rules))):
        if verdict is not None:
            one = summaries[number]
            rules[number] = verdict.rule
            filtered.append(report_row(one.source, one.keys.id, verdict))
    usable = [number for number, one in enumerate(summaries) if one.line and not rules[number]]
    if not usable:
        raise InputError(_nothing_left(made, rules, options))
    flags = held_out([summaries[number].keys for number in usable], fraction=options.held_out)
    parts = ["none"] * len(summaries)
    for number, flag in zip(usable, flags, strict=True):
        parts[number] = "held_out" if flag else "train"
    return Decided(rules, parts, filtered)


def describe(
    parts: Mapping[str, Fitted],
    ledger: pa.Table,
    made: Collected,
    *,
    options: Options,
    encoder: Mapping[str, object],
    inputs: Sequence[Mapping[str, object]],
) -> dict[str, Any]:
    """The manifest, its sums checked against the windows."""
    by_part = {
        name: part_counts(
            of_part(ledger, name), part.conversations_in, documents=part.documents.rows, windows=len(part.windows),
            window=options.window,
        )
        for name, part in parts.items()
    }  # fmt: skip
    together = np.concatenate([part.documents.rows for part in parts.values()])
    windows = sum(len(part.windows) for part in parts.values())
    total = part_counts(ledger, len(made.summaries), documents=together, windows=windows, window=options.window)
    asked = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(options).items()
        if key != "rules"
    }
    return {
        **encoder,
        "window": options.window,
        "counts": total,
        "parts": by_part,
        "rejected": rejected_by_rule(ledger),
        "cleaning": describe_cleaning(made.changed),
        "rules": describe_rules(options.rules),
        "inputs": inputs,
        "options": asked | {"inputs": [str(path) for path in options.inputs]},
        "versions": versions(),
    }


def write(
    folder: Path,
    parts: Mapping[str, Fitted],
    ledger: pa.Table,
    manifest: dict[str, Any],
    *,
    made: Collected,
    filtered: Sequence[dict[str, object]],
) -> None:
    """Write everything into a folder."""
    names = [one.keys.id for one in made.summaries]
    # Not beside the shards, so that `datasets` finds nothing but windows there.
    (folder / "conversations").mkdir()
    for name, part in parts.items():
        write_windows(folder / name, part.windows, documents=part.documents, names=names)
        with (folder / "conversations" / f"{name}.jsonl").open("wb") as file:
            file.writelines(map(made.line, np.unique(part.documents.rows["conversation"]).tolist()))
    if filtered:
        (folder / "filtered.jsonl").write_bytes(b"".join(json_line(row).encode() for row in filtered))
    write_ledger(ledger, folder / "ledger.parquet")
    (folder / FILE_NAME).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
