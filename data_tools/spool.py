"""Files of one run: each process appends to its own, and all of them are read from at any place.

So the large part of what processes make goes to the disk at once, and not through a pipe first.
"""

import os
from pathlib import Path
from typing import NamedTuple

# A place is a number: the file's in the upper bits, the byte's in these.
_BITS = 48


class Written(NamedTuple):
    """Where bytes stand: the file's name, and the place of the first one."""

    name: str
    at: int


def written(folder: Path, data: bytes | Written) -> Written:
    """Append bytes to this process's file of a folder; of what is written already, the place is known."""
    if isinstance(data, Written):
        return data
    name = str(os.getpid())
    with (folder / name).open("ab") as file:
        at = file.tell()
        file.write(data)
    return Written(name, at)


class Spools:
    """The files of a folder, all that is written there by this process and by others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: list[int] = []
        self._numbers: dict[str, int] = {}

    def place(self, data: bytes | Written) -> int:
        """Where bytes stand, as one number: `place + 5` is five bytes further on. Writes them if need be."""
        name, at = written(self.folder, data)
        if name not in self._numbers:
            self._numbers[name] = len(self._files)
            self._files.append(os.open(self.folder / name, os.O_RDONLY))
        return (self._numbers[name] << _BITS) + at

    def read(self, place: int, length: int) -> bytes:
        """Bytes from a place."""
        return os.pread(self._files[place >> _BITS], length, place & ((1 << _BITS) - 1))

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            os.close(file)
