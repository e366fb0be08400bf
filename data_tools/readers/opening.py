"""Files, folders and archives: which files an input holds, and their bytes unpacked, with limits against bombs."""

import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from data_tools.progress import Report
from data_tools.readers.encoding import SAMPLE
from data_tools.readers.turns import plain
from templates import InputError

# Chat text packs 3 to 10 times smaller, copies of one line up to 150 times. What unpacks to less than `_HARMLESS`
# bytes may be packed as well as it likes.
_MOST_RATIO = 200
_HARMLESS = 64 << 20
_MOST_MEMBERS = 100_000

_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"


class Refused(InputError):
    """A file that cannot be opened or must not be; also in a folder it stops the run."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, or the `member` of a .zip; `name` is what the ledger calls it."""

    name: str
    path: Path
    member: str = ""


def input_files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder and its folders, in the order of their names.

    Hidden files are passed over, and links to files of the same folder, which are read themselves. Raises InputError
    where there is nothing, and for a link that leads out of the folder.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file; check the path")
    root, found = path.resolve(), []
    for folder, folders, names in os.walk(path, onerror=_not_readable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted([*folders, *names]):
            one = Path(folder, name)
            if one.is_symlink():
                if not one.resolve().is_relative_to(root):
                    raise Refused(f"{one}: is a link out of the folder; name the file that it leads to, or remove it")
            elif one.is_file() and not name.startswith("."):
                found.append(one)
    if not found:
        raise InputError(f"{path}: holds no files; check the path")
    return sorted(found)


def sources(path: Path) -> Iterator[Source]:
    """The files of an input; the members of a .zip stand for it.

    Of ChatGPT's export only its conversations*.json are read: its chat.html holds the same conversations again.
    """
    for file in input_files(path):
        name = plain(str(file))
        with _errors(name), file.open("rb") as opened:
            is_zip = opened.read(4) == _ZIP
        if not is_zip:
            yield Source(name, file)
            continue
        with _errors(name), zipfile.ZipFile(file) as archive:
            members = _members(archive, name)
        export = [one for one in members if (base := one.rsplit("/", 1)[-1]).startswith("conversations") and
                  base.endswith(".json")]  # fmt: skip
        yield from (Source(f"{name}/{plain(member)}", file, member) for member in export or members)


def _members(archive: zipfile.ZipFile, name: str) -> list[str]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    unpacked = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if len(infos) > _MOST_MEMBERS or (unpacked > _HARMLESS and unpacked > _MOST_RATIO * max(1, packed)):
        raise _bomb(name)
    hidden = [info for info in infos if info.filename.startswith("__MACOSX/") or "/." in f"/{info.filename}"]
    return sorted({info.filename for info in infos if info not in hidden})


@contextmanager
def open_source(source: Source, report: Report) -> Iterator["io.BufferedReader[io.RawIOBase]"]:
    """The bytes of a source, unpacked where they are gzip or Zstandard; `report` is told the bytes read of the file.

    Raises InputError where the file cannot be read, is broken, or unpacks to suspiciously much.
    """
    with _errors(source.name), ExitStack() as stack:
        file = _Counted(stack.enter_context(source.path.open("rb")), report)
        stream: BinaryIO = cast("BinaryIO", file)
        if source.member:
            archive = stack.enter_context(zipfile.ZipFile(stream))
            stream = cast("BinaryIO", stack.enter_context(archive.open(source.member)))
        buffered: io.BufferedReader[io.RawIOBase] = io.BufferedReader(cast("io.RawIOBase", stream), SAMPLE)
        head = buffered.peek(4)[:4]
        if head.startswith((_GZIP, _ZSTD)):
            unpacked = _unpack(buffered, zstd=head == _ZSTD)
            buffered = io.BufferedReader(_Limited(unpacked, file, source.name), SAMPLE)
        elif source.member:
            buffered = io.BufferedReader(_Limited(buffered, file, source.name), SAMPLE)
        yield buffered


def is_plain(stream: "io.BufferedReader[io.RawIOBase]") -> bool:
    """Whether the bytes of an opened source are those of its file, not packed in any way."""
    return isinstance(stream.raw, _Counted)


def _unpack(packed: BinaryIO, *, zstd: bool) -> BinaryIO:
    if zstd:
        import pyarrow as pa

        return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd"))
    import gzip

    return cast("BinaryIO", gzip.GzipFile(fileobj=packed))


class _Counted(io.RawIOBase):
    """A file that reports how much of it was read."""

    def __init__(self, file: io.BufferedReader, report: Report) -> None:
        self.file, self.report, self.total = file, report, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        count = self.file.readinto(buffer)
        self.total += count
        self.report(count)
        return count


class _Limited(io.RawIOBase):
    """Unpacked bytes; refuses to go on where they are far more than the packed ones."""

    def __init__(self, unpacked: BinaryIO, packed: _Counted, name: str) -> None:
        self.unpacked, self.packed, self.name, self.total = unpacked, packed, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self.unpacked.read(len(buffer))
        buffer[: len(data)] = data
        self.total += len(data)
        if self.total > _HARMLESS and self.total > _MOST_RATIO * self.packed.total:
            raise _bomb(self.name)
        return len(data)


def _bomb(name: str) -> Refused:
    return Refused(
        f"{name}: unpacks to over {_MOST_RATIO} times its size, as no chats do; if you trust it, unpack it yourself"
    )


def _not_readable(error: OSError) -> None:
    raise Refused(f"{error.filename}: {error.strerror}; change its permissions") from error


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """What can go wrong with a file, as one line."""
    try:
        yield
    except PermissionError as error:
        raise Refused(f"{name}: no permission to read it; change its permissions") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Refused(f"{name}: cannot be unpacked or read ({reason}); check that the download is complete") from error
    except RuntimeError as error:  # what zipfile raises for a password
        if "password" not in str(error) and "encrypted" not in str(error):
            raise
        raise Refused(f"{name}: is encrypted; unpack it with its password first") from error
