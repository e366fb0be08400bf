"""JSON Lines whose lines are whole objects, as most are: read by orjson, in half of the time of Python's own reader.

What that reader would say otherwise, or not at all, is left to it (`json_stream`): lists, values of several lines, keys
that stand twice, numbers beyond 64 bits, deep nesting, bytes that are no UTF-8.
"""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import orjson
import stringzilla

from data_tools.readers.encoding import SAMPLE, encoding_of

_LONGEST_LINE = 1 << 24
# No dump comes near it; what is deeper is rejected by `json_stream`.
_DEEPEST = 20
_LARGEST = 1 << 63


class Line(NamedTuple):
    """An object, the text of it, and where that begins in the stream, in bytes."""

    value: dict[str, object]
    text: bytes
    at: int


class JsonLines:
    """The lines of a stream up to the first that is not a plain object: their `count`, and the `rest` of the stream."""

    def __init__(self, stream: "io.BufferedReader[io.RawIOBase]", *, name: str) -> None:
        self.stream, self.count = stream, 0
        self._kept = b""
        sample = stream.peek(SAMPLE)[:SAMPLE]
        self._may_be_lines = sample.startswith(b"{") and encoding_of(sample, name=name) == ("utf-8", 0)

    def __iter__(self) -> Iterator[Line]:
        at = 0
        while self._may_be_lines and (line := self.stream.readline(_LONGEST_LINE)):
            if not line.startswith(b"{") or (value := plain_object(line)) is None:
                self._kept = line
                return
            yield Line(value, line, at)
            self.count += 1
            at += len(line)

    @property
    def rest(self) -> BinaryIO:
        """The stream from the first line on that was not given."""
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", _Begun(self._kept, self.stream)), SAMPLE))


class _Begun(io.RawIOBase):
    """A stream before which some bytes stand."""

    def __init__(self, before: bytes, stream: "io.BufferedReader[io.RawIOBase]") -> None:
        self._before, self._stream = io.BytesIO(before), stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self._before.readinto(buffer) or self._stream.readinto(buffer)


def plain_object(text: bytes) -> dict[str, object] | None:
    """The object that a text is; None where it is none, or where two readers of JSON may differ about it.

    >>> plain_object(b'{"a": "\\\\u00e9"}'), plain_object(b'{"a": 1, "a": 2}'), plain_object(b"[]")
    ({'a': 'é'}, None, None)
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and _quotes(value) == stringzilla.count(text, b'"') else None


def _quotes(value: dict[str, object]) -> int:
    """The quotes in the text of an object: a key that stands twice would have two more; -1 where it is not plain."""
    texts: list[str] = []
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for parent in level:
            if isinstance(parent, dict):
                texts += parent
            for child in parent.values() if isinstance(parent, dict) else parent:
                if isinstance(child, str):
                    texts.append(child)
                elif isinstance(child, dict | list):
                    below.append(child)
                elif isinstance(child, float) and abs(child) >= _LARGEST:
                    return -1
        if not below:
            whole = "".join(texts)
            return 2 * len(texts) + (stringzilla.count(whole, '"') if whole.isascii() else whole.count('"'))
        level = below
    return -1
