"""The prompts: text files whose first line names their version, in English and Chinese, or a directory of your own.

A file is a `string.Template`: `$instruction` is replaced by the instruction, and what is put in is never read again.
"""

import hashlib
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from templates import InputError

LANGUAGES = ("en", "zh")
_VERSION = re.compile(r"# version (\S+)\r?\n")


class Prompts:
    """The prompts of a language; files of `directory`, where it has them, take the place of ours.

    Raises InputError where the directory holds no prompt, one of a wrong name, without a version, or with a place
    that ours does not have.

    >>> Prompts("en").fill("equal", first="Add 2 and 2.", second="Add 3 and 3.").splitlines()[2:4]
    ['First:', 'Add 2 and 2.']
    """

    def __init__(self, language: str, directory: Path | None = None) -> None:
        ours = files("data_tools.synthesize").joinpath("prompts", language)
        read = {path.name.removesuffix(".txt"): _read(path, path.name) for path in ours.iterdir()}
        self.language = language
        self._versions = {name: version for name, (version, _) in read.items()}
        self._texts = {name: text for name, (_, text) in read.items()}
        if directory is not None:
            self._replace(directory)
        joined = "\0".join(f"{name}\0{self._versions[name]}\0{self._texts[name]}" for name in sorted(self._texts))
        self.digest = hashlib.sha256(joined.encode()).hexdigest()

    def fill(self, name: str, **values: object) -> str:
        """A prompt with its places filled."""
        return Template(self._texts[name]).substitute({place: str(value) for place, value in values.items()})

    def lines(self, name: str) -> list[str]:
        """The lines of a file that is a list."""
        return [line.strip() for line in self._texts[name].splitlines() if line.strip()]

    def version(self, name: str) -> str:
        """What a record says of the prompt that made it.

        >>> Prompts("zh").version("tasks")
        'zh/tasks version 1'
        """
        return f"{self.language}/{name} version {self._versions[name]}"

    def _replace(self, directory: Path) -> None:
        paths = sorted(directory.glob("*.txt")) if directory.is_dir() else []
        if not paths:
            raise InputError(f"--prompts {directory}: holds no .txt files; see docs/synthesize.md for their names")
        for path in paths:
            name = path.stem
            if name not in self._texts:
                raise InputError(f"{path}: there is no prompt of this name (known: {', '.join(sorted(self._texts))})")
            version, text = _read(path, str(path))
            unknown = set(_places(text, str(path))) - set(_places(self._texts[name], name))
            if unknown:
                known = ", ".join(f"${place}" for place in sorted(_places(self._texts[name], name))) or "none"
                raise InputError(f"{path}: ${sorted(unknown)[0]} is no place of this prompt (known: {known})")
            self._versions[name], self._texts[name] = version, text


def _read(path: Traversable, shown: str) -> tuple[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{shown}: cannot be read as UTF-8 text ({error})") from error
    found = _VERSION.match(text)
    if not found:
        raise InputError(f"{shown}: the first line must name the version, for instance `# version 1`")
    return found[1], text[found.end() :].strip()


def _places(text: str, shown: str) -> list[str]:
    if not (template := Template(text)).is_valid():
        raise InputError(f"{shown}: has a `$` that names no place; write `$$` for a dollar sign")
    return template.get_identifiers()
