"""The interface in English and Chinese: one file of texts per language, chosen by a cookie or by Accept-Language."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from serve.chat.cookies import cookie

COOKIE = "chaku_language"
NAMES = {"en": "English", "zh": "中文"}

_FOLDER = Path(__file__).parent / "texts"
_LABEL = re.compile(r"\[\[([a-z_]+\.[a-z_.0-9]+)\]\]")


class Texts:
    """The texts of one language; `texts("page.left", tokens=12)` fills in what a text leaves open."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key. Raises KeyError where there is none."""
        text = self._texts[key]
        return text.format(**values) if values else text

    def keys(self) -> frozenset[str]:
        """The keys of all texts."""
        return frozenset(self._texts)

    def under(self, prefix: str) -> dict[str, str]:
        """The texts of one part of the interface, by what follows `prefix` and a dot in their keys."""
        return {key[len(prefix) + 1 :]: text for key, text in self._texts.items() if key.startswith(f"{prefix}.")}

    def translate(self, page: str) -> str:
        r"""A page whose labels are replaced by texts, written as inside a JSON string.

        >>> Texts("en").translate('{"value": "[[page.send]]"}')
        '{"value": "Send"}'
        """
        return _LABEL.sub(lambda found: json.dumps(self(found.group(1)))[1:-1].replace("<", "\\u003c"), page)


def label(key: str) -> str:
    """A stand-in for a text while the page is built, once for all: it is replaced in each answer by its language's.

    >>> label("page.send")
    '[[page.send]]'
    """
    return f"[[{key}]]"


@cache
def texts_of(language: str) -> Texts:
    """The texts of a language among `NAMES`."""
    return Texts(language)


def choose(headers: Mapping[str, str]) -> Texts:
    """The texts for a request: the language that its cookie says, else the first known one that it accepts."""
    chosen = cookie(headers, COOKIE)
    accepted = [part.split(";")[0].strip()[:2].lower() for part in headers.get("accept-language", "").split(",")]
    return texts_of(next((language for language in (chosen, *accepted) if language in NAMES), "en"))
