"""Keeps the conversations of some languages.

py3langid names the language: 4 MB of model with a class of its own for text without language, at 0.6 ms a
conversation. Of 1,000 short Chinese records it knows 984 (the rest have English replies) and of 999 English ones 998;
heliport knows 912 and 998 in a fifth of the time with 129 MB of models; lingua is six times slower with 96 MB.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from data_tools.filters import Verdict
from data_tools.records import Record
from templates import InputError, Message

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN = "unknown"
# Spoken varieties that short texts are taken for; who keeps the language wants them.
_VARIETIES = {"wuu": "zh", "yue": "zh", "ary": "ar", "arz": "ar", "nn": "no", "sdh": "ku", "uzs": "uz"}
_CODE = re.compile(r"^ {0,3}```.*?(?:^ {0,3}```|\Z)", re.DOTALL | re.MULTILINE)
_LETTERS = re.compile(r"[^\W\d_]")
# Characters that are looked at: of one message, so that a long pasted text does not outvote the talk, and in all.
_OF_MESSAGE, _OF_ALL = 500, 3000
# Fewer letters than this say nothing: "ok" is a word of fifty languages.
_FEWEST = 12


class LanguageFilter:
    """Rejects, as `language`, conversations whose main language is not among those to keep.

    `keep_unknown`: keep those that show no language, such as numbers, code and one-word talk. Raises InputError for
    a code that the detector does not know.
    """

    def __init__(self, languages: Sequence[str], *, keep_unknown: bool = True) -> None:
        known = [str(label) for label in _detector().nb_classes if label not in ("zxx", *_VARIETIES)]
        for language in languages:
            if language not in known:
                near = get_close_matches(language, known, 1, 0.0)[0]
                raise InputError(
                    f"--lang {language}: there is no such language code; the nearest is {near!r} "
                    f"(known: {' '.join(sorted(known))})"
                )
        self._kept = {*languages, UNKNOWN} if keep_unknown else set(languages)

    def features(self, records: Sequence[Record]) -> list[str]:
        """The codes of the conversations' main languages."""
        return [language_of(record.messages) for record in records]

    def decide(self, values: Sequence[str]) -> list[Verdict | None]:
        """A verdict for each language that is not kept."""
        return [None if value in self._kept else Verdict("language", value) for value in values]


def language_of(messages: Sequence[Message]) -> str:
    """The ISO 639-1 code of the main language of a conversation, or `unknown`; code blocks have no say.

    >>> language_of([Message(role="user", content="Guten Tag, wie geht es Ihnen heute?")])
    'de'
    """
    parts: list[str] = []
    room = _OF_ALL
    for message in messages:
        if message.role not in ("user", "assistant") or room <= 0:
            continue
        parts.append(_CODE.sub(" ", message.content[: 4 * _OF_MESSAGE])[: min(_OF_MESSAGE, room)])
        room -= len(parts[-1])
    text = "\n".join(parts)
    letters = len(_LETTERS.findall(text))
    if not letters or (letters < _FEWEST and text.isascii()):
        return UNKNOWN
    code = str(_detector().classify(text)[0])
    return UNKNOWN if code == "zxx" else _VARIETIES.get(code, code)


@cache
def _detector() -> "LanguageIdentifier":
    """The detector, loaded once (half a second)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
