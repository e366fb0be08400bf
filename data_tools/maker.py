"""What one process does with some records of a dump: parse, clean, repair, encode and cut them.

It hands back numbers, digests and bytes. The texts go to a file, so that memory does not grow with the dump.
"""

import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from data_tools.cleaning import clean_batch
from data_tools.documents import Documents, columns_of
from data_tools.filters import features_of, filters_of
from data_tools.ledger import Ledger
from data_tools.limits import keep_pairs, teach_only_last
from data_tools.manifest import describe_encoder
from data_tools.records import Branches, RawRecord, Record
from data_tools.rules.config import Rules
from data_tools.sent import Sent, received
from data_tools.shards import conversation_line, conversation_of_line
from data_tools.split import Keys, keys_of
from data_tools.spool import Written, written
from data_tools.windows import Piece, WindowMaker, checked_header
from templates import Conversation
from templates.encoder import Encoder
from templates.loading import load_encoder


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How records become documents: see `data_tools.prepare.Options`; `max_pairs` 0 keeps all."""

    window: int
    overlap: int
    seed: int
    branches: Branches
    rules: Rules = field(default_factory=Rules)
    max_pairs: int = 0
    only_last_turn: bool = False


class Summary(NamedTuple):
    """A conversation without its texts: `line` is the length of its line among the texts, `turns` of its ledger."""

    source: str
    keys: Keys
    features: tuple[Any, ...] | None
    line: int
    turns: int


@dataclass(frozen=True, slots=True)
class Made:
    """What became of some records: `changed` counts turns by rule.

    `lines` are their conversations as JSON Lines, or where those stand.
    """

    summaries: list[Summary]
    documents: Documents
    lines: bytes | Written
    ledger: pa.RecordBatch
    changed: Counter[str]


@dataclass(frozen=True, slots=True)
class CutJob:
    """Conversations, a line each, to cut at given places; a piece's conversation is the number of its line."""

    lines: list[bytes]
    pieces: list[Piece]


def load_maker(recipe: Recipe, *, template: str, model: str) -> "Maker":
    """The maker with a template and a model's tokenizer.

    Raises InputError where there is no such template or model, or the window is too small for the template.
    """
    encoder = load_encoder(template, model)
    checked_header(encoder, window=recipe.window)
    return Maker(recipe, encoder)


def pickled_maker(recipe: Recipe, *, template: str, model: str) -> tuple[bytes, dict[str, object]]:
    """A maker for other processes, with the fast engine if it serves, and what the manifest says of its encoder."""
    maker = load_maker(recipe, template=template, model=model)
    maker.encoder.choose_engine()
    return pickle.dumps(maker), describe_encoder(maker.encoder, model=model)


def make_into(folder: Path, maker: "Maker", batch: Sequence[Sent]) -> Made:
    """What becomes of some records, with tokens and lines in a file of this folder."""
    made = maker.make(received(batch))
    documents = replace(made.documents, tokens=written(folder, made.documents.tokens))
    return replace(made, documents=documents, lines=written(folder, made.lines))


class Maker:
    """Does the work of a recipe with one encoder."""

    def __init__(self, recipe: Recipe, encoder: Encoder) -> None:
        self.recipe, self.encoder = recipe, encoder
        self.filters = filters_of(recipe.rules)
        self.takes_tools = encoder.takes_tools

    def make(self, raws: Sequence[RawRecord]) -> Made:
        """Some raw records, all the way to documents."""
        records, changed = clean_batch(raws, self.recipe.rules, self.recipe.branches, takes_tools=self.takes_tools)
        for record in records:
            self._limit(record)
        usable = [record for record in records if record.messages]
        conversations = [record.conversation for record in usable]
        maker = self._windows(conversations)
        maker.run()
        numbers = {id(record): number for number, record in enumerate(records)}
        documents = columns_of(maker.documents)
        documents.rows["conversation"] = [numbers[id(usable[one.conversation])] for one in maker.documents]
        fates = dict(zip(map(id, usable), maker.fates(), strict=True))
        ledger = Ledger()
        for record in records:
            ledger.add(record, fate=fates.get(id(record)))
        ledger.count_rejected_tokens(self.encoder)
        left = map(conversation_line, conversations)
        lines = [next(left) if record.messages else b"" for record in records]
        features = features_of(records, self.filters)
        summaries = [
            Summary(record.source, keys_of(record, seed=self.recipe.seed), its_features, len(line), len(record.turns))
            for record, its_features, line in zip(records, features, lines, strict=True)
        ]
        return Made(summaries, documents, b"".join(lines), ledger.batch(), changed)

    def cut(self, job: CutJob) -> Documents:
        """Some conversations' documents, cut as asked."""
        conversations = [conversation_of_line(line) for line in job.lines]
        maker = WindowMaker(conversations, encoder=self.encoder, window=self.recipe.window)
        maker.cut(job.pieces)
        return columns_of(maker.documents)

    def _limit(self, record: Record) -> None:
        if self.recipe.max_pairs:
            keep_pairs(record, self.recipe.max_pairs)
        if self.recipe.only_last_turn:
            teach_only_last(record)

    def _windows(self, conversations: Sequence[Conversation]) -> WindowMaker:
        return WindowMaker(
            conversations,
            encoder=self.encoder,
            window=self.recipe.window,
            overlap=self.recipe.overlap,
            only_last=self.recipe.only_last_turn,
        )
