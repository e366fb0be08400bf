"""What the main process collects of all records: small things in memory, tokens and texts in files."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import pyarrow as pa

from data_tools.documents import DocumentStore
from data_tools.maker import Made, Summary
from data_tools.spool import Spools


@dataclass(slots=True)
class Collected:
    """Everything that was made, in input order; a record's number is its place among the summaries."""

    documents: DocumentStore
    spools: Spools
    summaries: list[Summary] = field(default_factory=list)
    ledger: list[pa.RecordBatch] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    _places: list[int] = field(default_factory=list)

    @classmethod
    @contextmanager
    def in_folder(cls, folder: Path) -> Iterator["Collected"]:
        """A collection whose files stand in a folder, until the block ends."""
        held = folder / "spool"
        held.mkdir()
        with closing(Spools(held)) as spools:
            yield cls(DocumentStore(spools), spools)
        rmtree(held)

    def add(self, made: Made) -> None:
        """Take what became of the next records."""
        self.documents.add(made.documents, conversations=len(self.summaries))
        place = self.spools.place(made.lines)
        for summary in made.summaries:
            self._places.append(place)
            place += summary.line
        self.summaries += made.summaries
        self.ledger.append(made.ledger)
        self.changed += made.changed

    def line(self, number: int) -> bytes:
        """The conversation of a record, as a line of JSON Lines."""
        return self.spools.read(self._places[number], self.summaries[number].line)
