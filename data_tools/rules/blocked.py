"""Block lists: phrases, kept as data in text files, that a turn must not hold."""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from templates import InputError

# Chinese, Japanese, Thai and their like are written without spaces: each of their characters counts as a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")
_SPACED_LETTER = re.compile(f"[^\\W_{UNSPACED}]")
_APOSTROPHES = str.maketrans("’‘ʼ", "'''")


def read_phrases(path: Path) -> tuple[str, ...]:
    """The phrases of a file: one a line; empty lines and lines that begin with # are passed by.

    Raises InputError where the file cannot be read as UTF-8, or a phrase has no letter or digit.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as UTF-8 text ({error}); a block list has one phrase a line"
        ) from error
    phrases = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    for phrase in phrases:
        if not _WORD.search(phrase):
            raise InputError(f"{path}: the phrase {phrase!r} has no letter or digit to look for; take it out")
    return phrases


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, nothing between them.

    >>> words_of("It's 5 o'clock, 你好!")
    ['it', 's', '5', 'o', 'clock', '你', '好']
    """
    return _WORD.findall(text.lower())


class BlockList:
    """Finds phrases in texts: whole words, in any case, whatever the spaces between them and the apostrophes in them.

    The words of a text are looked up in an index of the phrases' first words; a phrase is searched for only there, so
    that a list may be long.

    >>> BlockList(["as an AI language model", "ass"]).find("As an AI  language model I pass.")
    ['as an AI language model']
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        self._by_first: dict[str, list[tuple[str, re.Pattern[str]]]] = defaultdict(list)
        for phrase in phrases:
            plain = phrase.translate(_APOSTROPHES)
            self._by_first[words_of(plain)[0]].append((phrase, _pattern(plain)))

    def find(self, text: str) -> list[str]:
        """The phrases that the text holds, each once."""
        plain = text.translate(_APOSTROPHES) if not text.isascii() else text
        words = set(words_of(plain)) & self._by_first.keys()
        return [phrase for word in sorted(words) for phrase, pattern in self._by_first[word] if pattern.search(plain)]


@lru_cache(maxsize=4)
def block_list(phrases: tuple[str, ...]) -> BlockList:
    """The block list of these phrases, made once."""
    return BlockList(phrases)


def _pattern(phrase: str) -> re.Pattern[str]:
    before = r"(?<![^\W_])" if _SPACED_LETTER.match(phrase[0]) else ""
    after = r"(?![^\W_])" if _SPACED_LETTER.match(phrase[-1]) else ""
    return re.compile(before + r"\s{1,9}".join(map(re.escape, phrase.split())) + after, re.IGNORECASE)
