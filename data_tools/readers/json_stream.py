"""Dumps in: the records of a JSON list, of JSON Lines, or of JSON values one after another, as a stream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from data_tools.progress import Report
from data_tools.records import RawRecord, items_of
from templates import InputError

_CHUNK = 1 << 20
_WHITESPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def read_records(path: Path, *, report: Report) -> Iterator[RawRecord]:
    """The records of a dump, one by one; memory does not grow with the file. `report` is told the bytes read.

    Raises InputError where the file is missing, a directory, empty, not UTF-8, not JSON (with line and column),
    truncated, or holds no conversations.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name the dumps in it, for instance {path}/*.json")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path")
    count, has_conversations = 0, False
    keys: dict[str, None] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for value in _JsonStream(path, file, report).values():
                if isinstance(value, dict) and not has_conversations:
                    has_conversations = items_of(value) is not None
                    keys |= dict.fromkeys(list(value)[:12])
                yield RawRecord(str(path), count, value)
                count += 1
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (after record {count}: {error.reason}); convert it to UTF-8") from error
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it; change its permissions") from error
    if not count:
        raise InputError(f"{path}: an empty list; check that the export is complete")
    if not has_conversations:
        seen = f"keys seen: {', '.join(map(repr, list(keys)[:12]))}" if keys else "its values are not objects"
        raise InputError(
            f'{path}: no conversations in its {count} records ({seen}); a ShareGPT record is {{"id": ..., '
            '"conversations": [{"from": "human", "value": ...}, ...]}'
        )


class _JsonStream:
    """Decodes JSON values from a file chunk by chunk, and knows the line it stands on."""

    def __init__(self, path: Path, file: TextIO, report: Report) -> None:
        self.path, self.file, self.report = path, file, report
        self.buffer, self.at, self.ended = "", 0, False
        self.lines_before, self.column_before = 0, 0  # of what has left the buffer
        self.count = 0

    def values(self) -> Iterator[object]:
        """The elements of a top-level list, or the top-level values one after another."""
        first = self._peek()
        if not first:
            raise InputError(f"{self.path}: is empty; check that the download is complete")
        if first not in "[{":
            raise self._not_json("expected '[' or '{'", self.at)
        return self._list() if first == "[" else self._sequence()

    def _sequence(self) -> Iterator[object]:
        while self._peek():
            yield self._value()

    def _list(self) -> Iterator[object]:
        self.at += 1
        mark = self._peek()
        while mark != "]":
            yield self._value()
            mark = self._peek()
            if mark == ",":
                self.at += 1
                self._peek()
            elif mark != "]":
                raise self._truncated() if not mark else self._not_json("expected ',' or ']'", self.at)
        self.at += 1
        if self._peek():
            raise self._not_json("something follows the end of the list", self.at)

    def _value(self) -> object:
        while True:
            try:
                value, end = _DECODER.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                if not _may_be_cut(error):
                    raise self._not_json(error.msg, error.pos) from error
                if not self._more():
                    raise self._truncated() from error
            except RecursionError as error:
                raise self._not_json("nested too deeply", self.at) from error
            else:
                # A number at the buffer's end may go on in the next chunk.
                if end < len(self.buffer) or not self._more():
                    self.at = end
                    self.count += 1
                    return value

    def _more(self) -> bool:
        """Read on, dropping what is consumed. Doubles its reach, so that one huge record is not decoded too often."""
        if self.ended:
            return False
        consumed, rest = self.buffer[: self.at], self.buffer[self.at :]
        self.lines_before += consumed.count("\n")
        newline = consumed.rfind("\n")
        self.column_before = len(consumed) - newline - 1 if newline >= 0 else self.column_before + len(consumed)
        chunk = self.file.read(max(_CHUNK, len(rest)))
        self.ended = not chunk
        self.report(len(chunk))
        self.buffer, self.at = rest + chunk, 0
        return not self.ended

    def _peek(self) -> str:
        """The next character that is not whitespace, or nothing at the end."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in _WHITESPACE:
                self.at += 1
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self._more():
                return ""

    def _not_json(self, message: str, position: int) -> InputError:
        before = self.buffer[:position]
        line = self.lines_before + before.count("\n") + 1
        newline = before.rfind("\n")
        column = len(before) - newline if newline >= 0 else self.column_before + len(before) + 1
        return InputError(
            f"{self.path}: not JSON (line {line}, column {column}: {message}; {self.count} whole records before it); "
            "correct that place, or check that the download is complete"
        )

    def _truncated(self) -> InputError:
        return InputError(
            f"{self.path}: ends in the middle of a record (truncated after {self.count} whole records); "
            "complete the download, or close the file after its last whole record"
        )


def _may_be_cut(error: json.JSONDecodeError) -> bool:
    """Whether more text could mend the error: it stands at the end, or in a word, string or escape that ends there."""
    rest = error.doc[error.pos :]
    if error.msg.startswith("Unterminated string") or not rest.strip():
        return True
    if error.msg.startswith("Invalid \\u"):
        return len(rest) < len("\\uD83D\\uDE00")
    return any(word.startswith(rest) for word in ("true", "false", "null", "NaN", "-Infinity", "Infinity"))
