"""The records of files, folders and archives, one by one, each file by its own kind; memory does not grow with them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data_tools.progress import Report
from data_tools.readers import fastchat_log
from data_tools.readers.encoding import TextReader
from data_tools.readers.formats import PAGE, format_of
from data_tools.readers.json_lines import JsonLines
from data_tools.readers.json_stream import JsonStream, JsonValue
from data_tools.readers.opening import Refused, Source, is_plain, open_source, sources
from data_tools.records import FORMATS, Place, RawRecord
from templates import InputError

_TABLES = (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")
_LONGEST_PAGE = 64 << 20
_CHUNK = 1 << 20


@dataclass(slots=True)
class _Seen:
    """What an input held so far, for the message where it holds no conversation."""

    records: int = 0
    conversations: bool = False
    keys: dict[str, None] = field(default_factory=dict)


def read_records(path: Path, *, format: str | None = None, report: Report) -> Iterator[RawRecord]:
    """The records of a file, of all files in a folder, or of a .zip. `report` is told the bytes read.

    `format`, one of `FORMATS`, is taken for every record; without it each value's shape decides. What is broken in
    JSON Lines is a record with a rule, and so is a file of a folder that is no dump (`not_a_dump`). Raises InputError
    where the input is missing, empty, in an unknown encoding, not JSON (with line and column), truncated, broken, a
    suspicious archive, or holds no conversations.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"--format {format}: there is no such format; choose one of {', '.join(FORMATS)}")
    seen = _Seen()
    for source in sources(path):
        before = seen.records
        try:
            yield from _records(source, format, report, seen)
        except InputError as error:
            # Beside dumps lie READMEs and pictures; a dump that breaks off is no such file.
            if isinstance(error, Refused) or seen.records > before or not (source.member or path.is_dir()):
                raise
            yield RawRecord(source.name, 0, str(error), rule="not_a_dump")
            seen.records += 1
    if not seen.conversations:
        raise _no_conversations(path, seen)


def _records(source: Source, asked: str | None, report: Report, seen: _Seen) -> Iterator[RawRecord]:
    log: fastchat_log.Log | None = None
    for index, (value, rule, line, text, at) in enumerate(_values(source, report)):
        is_page = isinstance(value, str) and not rule
        found = (asked or format_of(value)) if isinstance(value, dict) or is_page else ""
        marked = rule
        if found == "fastchat-log" and isinstance(value, dict) and not rule:
            log = log or _scan_log(source)
            value, marked = log.mark(value)  # noqa: PLW2901
            text = b""  # noqa: PLW2901
        seen.records += 1
        seen.conversations = seen.conversations or found != ""
        if not seen.conversations and isinstance(value, dict):
            seen.keys |= dict.fromkeys(list(value)[:12])
        place = Place(source.path, at) if text and at >= 0 else None
        yield RawRecord(source.name, index, value, found, marked, line, text=text, place=place)


def _values(source: Source, report: Report) -> Iterator[JsonValue]:
    with open_source(source, report) as stream:
        if stream.peek(8)[:8].startswith(_TABLES):
            from data_tools.readers.tabular import rows

            yield from (JsonValue(row) for row in rows(source, stream))
            return
        lines = JsonLines(stream, name=source.name)
        stands = is_plain(stream)
        yield from (JsonValue(value, text=text, at=at if stands else -1) for value, text, at in lines)
        text = TextReader(lines.rest, name=source.name, encoding="utf-8" if lines.count else None)
        if not lines.count and text.beginning.lstrip()[:1] == "<":
            yield JsonValue(_page(text, source.name))
        else:
            yield from JsonStream(source.name, text, lines_before=lines.count).values()


def _page(text: TextReader, name: str) -> str:
    pieces: list[str] = []
    while piece := text.read(_CHUNK):
        pieces.append(piece)
        if len(pieces) * _CHUNK > _LONGEST_PAGE:
            raise InputError(
                f"{name}: a page of more than {_LONGEST_PAGE >> 20} million characters; save one chat a page"
            )
    page = "".join(pieces)
    if format_of(page) != PAGE:
        raise InputError(f"{name}: a page, but none with a ChatGPT conversation; save the conversation's own page")
    return page


def _scan_log(source: Source) -> fastchat_log.Log:
    """A first pass over a log: a vote may stand long after the reply that it is about."""
    log = fastchat_log.Log()
    for value, rule, *_ in _values(source, lambda _: None):
        if isinstance(value, dict) and not rule:
            log.scan(value)
    return log


def _no_conversations(path: Path, seen: _Seen) -> InputError:
    if not seen.records:
        return InputError(f"{path}: an empty list; check that the export is complete")
    keys = f"keys seen: {', '.join(map(repr, list(seen.keys)[:12]))}" if seen.keys else "its values are not objects"
    return InputError(
        f'{path}: no conversations in its {seen.records} records ({keys}); a ShareGPT record is {{"id": ..., '
        '"conversations": [{"from": "human", "value": ...}, ...]}, and docs/data.md lists the other formats'
    )
