"""The values of a JSON list, of JSON Lines, or of JSON values one after another, as a stream."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, Protocol

from data_tools.readers.encoding import DAMAGED
from templates import InputError

_CHUNK = 1 << 12
_MOST = 1 << 28
_KEPT = 2000
# Deeper values cannot be sent to another process; no dump comes near it.
_DEEPEST = 200
_SPACE = re.compile(r"[ \t\r\n]*")
_NEXT_VALUE = re.compile(r"\n(?=[\[{])")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+("?)|([\[{])|[\]}]', re.DOTALL)
_LONGEST_SCAN = 1 << 20
# An error counts the lines before it: among many, what is done with leaves the buffer early.
_DONE_WITH = 1 << 14


class Text(Protocol):
    """Where the text comes from: `read` gives some of it, and nothing at the end."""

    damaged: bool

    def read(self, size: int, /) -> str:
        """The next text, of about that size."""


class JsonValue(NamedTuple):
    """A value, or the beginning of a text that is none with the rule that says why, and the line where it begins.

    `text` is that of a value which stands alone on its line, and `at` the byte of its file where it
    begins; -1 where that is packed.
    """

    value: object
    rule: str = ""
    line: int = 0
    text: bytes = b""
    at: int = -1


class JsonStream:
    """Decodes JSON values chunk by chunk, and knows the line it stands on.

    What is broken in JSON Lines is given with its rule, and the values go on at the next line that begins one:
    `not_json`, `nested_too_deeply`, `number_too_long`; `duplicate_keys` and `not_utf8` stand with a whole value.
    Raises InputError with line and column where the file is no JSON, or a list is broken or truncated. `lines_before`
    were read already, a value each.
    """

    def __init__(self, name: str, text: Text, *, lines_before: int = 0) -> None:
        self.name, self.text = name, text
        self.buffer, self.at, self.ended = "", 0, False
        self.line, self.mark = 1 + lines_before, 0  # the line at `mark`
        self.column_before = 0  # what stands before the buffer on its line
        self.count, self.error = lines_before, ""
        self._duplicates = False
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def values(self) -> Iterator[JsonValue]:
        """The elements of a top-level list, or the top-level values one after another."""
        if self.count:
            yield from self._sequence()
            return
        first = self._peek()
        if not first:
            raise InputError(f"{self.name}: is empty; check that the download is complete")
        if first not in "[{":
            self._fail("expected '[' or '{'", self.at)
        yield from self._list() if first == "[" else self._sequence()

    def _sequence(self) -> Iterator[JsonValue]:
        while self._peek():
            yield self._value(lines=True)
        if not self.count:
            raise InputError(self.error)

    def _list(self) -> Iterator[JsonValue]:
        self.at += 1
        mark = self._peek()
        while mark != "]":
            yield self._value(lines=False)
            mark = self._peek()
            if mark == ",":
                self.at += 1
                self._peek()
            elif mark != "]":
                self._fail("expected ',' or ']'", self.at, cut=not mark)
        self.at += 1
        if self._peek():
            self._fail("something follows the end of the list", self.at)

    def _value(self, *, lines: bool) -> JsonValue:
        while True:
            try:
                self._duplicates = False
                value, end = self._decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                cut = _may_be_cut(error)
                if cut and self._more():
                    continue
                if not lines:
                    self._fail(error.msg, error.pos, cut=cut)
                self.error = self.error or str(self._error(error.msg, min(error.pos, len(self.buffer))))
                return self._next_line("not_json")
            except RecursionError:
                return self._next_line("nested_too_deeply") if lines else self._skip("nested_too_deeply")
            except ValueError:  # Python refuses to read integers of more than 4,300 digits
                return self._next_line("number_too_long") if lines else self._skip("number_too_long")
            # A number at the buffer's end may go on in the next chunk.
            length = end - self.at
            if isinstance(value, (dict, list, str)) or end < len(self.buffer) or not self._more():
                return self._whole(value, self.at + length)

    def _whole(self, value: object, end: int) -> JsonValue:
        rule = "duplicate_keys" if self._duplicates else ""
        if self.text.damaged and DAMAGED.search(self.buffer, self.at, end):
            rule = "not_utf8"
        line = self._line_at(self.at) if rule else 0
        self.at = end
        self.count += 1
        if _is_deep(value):
            return JsonValue("", "nested_too_deeply", line)
        return JsonValue(value, rule, line)

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        if len(made) < len(pairs) and any(made[key] != value for key, value in pairs):
            self._duplicates = True
        return made

    def _next_line(self, rule: str) -> JsonValue:
        """Go to the next line that begins a value; give the text before it, shortened."""
        line, kept = self._line_at(self.at), ""
        while (found := _NEXT_VALUE.search(self.buffer, self.at)) is None:
            kept = (kept + self.buffer[self.at : self.at + _KEPT])[:_KEPT]
            self.at = max(self.at, len(self.buffer) - 1)  # the last character may be the end of the line
            if not self._more():
                self.at = len(self.buffer)
                return JsonValue(DAMAGED.sub("\ufffd", kept).rstrip(), rule, line)
        kept = (kept + self.buffer[self.at : min(found.start(), self.at + _KEPT)])[:_KEPT]
        self.at = found.end()
        if self.at > _DONE_WITH:
            self._drop()
        return JsonValue(DAMAGED.sub("\ufffd", kept).rstrip(), rule, line)

    def _skip(self, rule: str) -> JsonValue:
        """Go past a value of a list that cannot be decoded, by its brackets alone."""
        line = self._line_at(self.at)
        while True:
            depth = 0
            for token in _STRUCTURE.finditer(self.buffer, self.at, self.at + _LONGEST_SCAN):
                if token[1] is not None:
                    continue
                depth += 1 if token[2] else -1
                if depth <= 0:
                    kept = self.buffer[self.at : self.at + _KEPT]
                    self.at = token.end() if depth == 0 else token.start()
                    return JsonValue(DAMAGED.sub("\ufffd", kept), rule, line)
            if len(self.buffer) - self.at >= _LONGEST_SCAN or not self._more():
                self._fail(rule.replace("_", " "), self.at)

    def _more(self) -> bool:
        """Read on, dropping what is consumed. Doubles its reach, so that one huge record is not decoded too often."""
        if self.ended:
            return False
        self._drop()
        if len(self.buffer) > _MOST:
            raise InputError(f"{self.name}: a record of more than {_MOST >> 20} million characters; take it out")
        chunk = self.text.read(max(_CHUNK, len(self.buffer)))
        self.ended = not chunk
        self.buffer += chunk
        return not self.ended

    def _drop(self) -> None:
        """Let what is consumed go from the buffer."""
        self._line_at(self.at)
        newline = self.buffer.rfind("\n", 0, self.at)
        self.column_before = self.at - newline - 1 if newline >= 0 else self.column_before + self.at
        self.buffer, self.at, self.mark = self.buffer[self.at :], 0, 0

    def _peek(self) -> str:
        """The next character that is not whitespace, or nothing at the end."""
        while True:
            space = _SPACE.match(self.buffer, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self._more():
                return ""

    def _line_at(self, position: int) -> int:
        """The line of a position; counts on from the last one asked for."""
        if position >= self.mark:
            self.line += self.buffer.count("\n", self.mark, position)
        else:
            self.line -= self.buffer.count("\n", position, self.mark)
        self.mark = position
        return self.line

    def _error(self, message: str, position: int) -> InputError:
        newline = self.buffer.rfind("\n", 0, position)
        column = position - newline if newline >= 0 else self.column_before + position + 1
        return InputError(
            f"{self.name}: not JSON (line {self._line_at(position)}, column {column}: {message}; {self.count} whole "
            "records before it); correct that place, or check that the download is complete"
        )

    def _fail(self, message: str, position: int, *, cut: bool = False) -> NoReturn:
        if cut:
            raise InputError(
                f"{self.name}: ends in the middle of a record (truncated after {self.count} whole records); "
                "complete the download, or close the file after its last whole record"
            )
        raise self._error(message, position)


def _may_be_cut(error: json.JSONDecodeError) -> bool:
    """Whether more text could mend the error: it stands at the end, or in a word, string or escape that ends there."""
    if error.msg.startswith("Unterminated string"):
        return True
    left = len(error.doc) - error.pos
    if error.msg.startswith("Invalid \\u"):
        return left < len("\\uD83D\\uDE00")
    space = _SPACE.match(error.doc, error.pos)
    if space is not None and space.end() == len(error.doc):
        return True
    rest = error.doc[error.pos :] if left < len("-Infinity") else " "
    return any(word.startswith(rest) for word in ("true", "false", "null", "NaN", "-Infinity", "Infinity"))


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
