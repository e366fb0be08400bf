"""Bytes to text: the encoding is seen from the beginning of a file, and wrong ones are refused by name."""

import codecs
import re
from typing import BinaryIO

from templates import InputError

# Bytes by which an encoding is told.
SAMPLE = 1 << 18
# Text is read to the end of a line where one is near: few lines hold characters that make a long text of wide ones, and
# a record of JSON Lines is then whole.
_NEAR = 1 << 16
# Longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# JSON and HTML begin with ASCII, so zeros tell how wide the characters are (RFC 4627, section 3).
_ZEROS = ((b"\0\0\0x", "utf-32-be"), (b"x\0\0\0", "utf-32-le"), (b"\0x", "utf-16-be"), (b"x\0", "utf-16-le"))
# A byte that is not UTF-8, as the decoder keeps it.
DAMAGED = re.compile("[\udc80-\udcff]")
# About a quarter of Chinese text is made of these; text in other encodings, read as GB18030, has next to none.
_COMMON_HAN = frozenset("的一是不了在人有我他这中大来上个国到说们为以你会要可,，。、")
_LEAST_COMMON = 0.08


class TextReader:
    """Reads a byte stream as text, and knows whether bytes were met that are none (`damaged`).

    `encoding`: where it is known already. Raises InputError where the encoding is none of UTF-8, UTF-16, UTF-32 and
    GB18030. Damaged bytes of UTF-8 come out as characters that `DAMAGED` matches.
    """

    def __init__(self, stream: BinaryIO, *, name: str, encoding: str | None = None) -> None:
        self.damaged = False
        self._stream, self._name = stream, name
        sample = stream.read(SAMPLE)
        self.encoding, mark = (encoding, 0) if encoding else encoding_of(sample, name=name)
        self._decoder = codecs.getincrementaldecoder(self.encoding)()
        self.beginning = self._decode(sample[mark:])
        self._begun = False

    def read(self, size: int) -> str:
        """About `size` bytes of text; nothing at the end."""
        if not self._begun:
            self._begun = True
            if self.beginning:
                return self.beginning
        while True:
            data = self._stream.read(size)
            data += self._stream.readline(_NEAR)
            text = self._decode(data, last=not data)
            if text or not data:
                return text

    def _decode(self, data: bytes, *, last: bool = False) -> str:
        try:
            return self._decoder.decode(data, last)
        except UnicodeDecodeError as error:
            if self.encoding != "utf-8":
                raise InputError(
                    f"{self._name}: begins as {self.encoding} but breaks off ({error.reason}); convert it to UTF-8"
                ) from error
        lenient = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        text = lenient.decode(self._decoder.getstate()[0] + data, last)
        self._decoder.setstate(lenient.getstate())
        self.damaged = True
        return text


def encoding_of(sample: bytes, *, name: str) -> tuple[str, int]:
    """The encoding of a file that begins so, and the length of its byte order mark. Raises InputError for others.

    >>> encoding_of("{}".encode("utf-16"), name="dump.json")
    ('utf-16-le', 2)
    """
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding, len(mark)
    zeros = sample[:4].replace(b"\0", b"0").translate(bytes(48 if byte == 48 else 120 for byte in range(256)))
    for pattern, encoding in _ZEROS:
        if b"\0" in sample[:4] and zeros.startswith(pattern.replace(b"\0", b"0")):
            return encoding, 0
    if _share_damaged(sample) == 0:
        return "utf-8", 0
    if _is_gb18030(sample):
        return "gb18030", 0
    if _share_damaged(sample) < 0.5:
        return "utf-8", 0
    raise InputError(
        f"{name}: is text in none of UTF-8, UTF-16 and GB18030; convert it to UTF-8, for instance with iconv"
    )


def _share_damaged(sample: bytes) -> float:
    """How much of what is not ASCII is not UTF-8; a damaged character in a long English text weighs little."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    if text.isascii():
        return 0.0
    damaged = len(DAMAGED.findall(text))
    others = sum(character > "\x7f" for character in text) - damaged
    return damaged / (damaged + others + len(text) / 1000)


def _is_gb18030(sample: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(sample)
    except UnicodeDecodeError:
        return False
    han = [character for character in text if character > "\x7f"]
    return bool(han) and sum(character in _COMMON_HAN for character in han) >= _LEAST_COMMON * len(han)
