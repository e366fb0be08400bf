"""What went wrong with a reply, in plain words of the reader's language, and what to do."""

import re

import openai

from serve.chat.language import Texts

_TOO_LONG = re.compile(r"context length|maximum model length|too long|max_model_len", re.IGNORECASE)
_KEYS = {
    "timeout": "timeout",
    "unreachable": "unreachable",
    "broken": "broken",
    "401": "key",
    "403": "key",
    "429": "busy",
    "503": "starting",
}
_NUMBER = re.compile(r"\d[\d,]*")


def describe(error: Exception, *, has_begun: bool = False) -> str:
    """An error as the database keeps it, in no language: a status or a kind, then what was said.

    `has_begun` says that part of the reply had arrived, so that the server did answer at first.

    >>> describe(ValueError("odd"))
    'other odd'
    """
    match error:
        case openai.APITimeoutError():
            return "timeout"
        case openai.APIConnectionError():
            return "broken" if has_begun else "unreachable"
        case openai.APIStatusError():
            body = error.body
            said = body.get("message") if isinstance(body, dict) else None
            return f"{error.status_code} {str(said or error.message)[:500]}"
        case _:
            return f"other {str(error)[:500]}"


def explain(error: Exception, texts: Texts, *, base_url: str) -> str:
    """What went wrong, for an error that is not kept."""
    return in_words(describe(error), texts, base_url=base_url)


def in_words(error: str, texts: Texts, *, base_url: str) -> str:
    """A stored error (see `describe`) for the person at the page.

    >>> from serve.chat.language import texts_of
    >>> in_words("timeout", texts_of("en"), base_url="http://127.0.0.1:8000/v1")
    'The server at http://127.0.0.1:8000/v1 did not answer in time. Try again, or look at its log.'
    """
    kind, _, said = error.partition(" ")
    if kind.startswith("4") and kind not in _KEYS and _TOO_LONG.search(said):
        return _too_long(said, texts)
    key = _KEYS.get(kind) or ("failed" if kind.startswith("5") else "refused" if kind.isdigit() else "other")
    return texts(f"error.{key}", status=kind, said=said, url=base_url)


def _too_long(said: str, texts: Texts) -> str:
    """vLLM names the context first, then what was asked for; others may not."""
    numbers = [int(found.replace(",", "")) for found in _NUMBER.findall(said)]
    bigger = [number for number in numbers[1:] if number > numbers[0]]
    if bigger:
        return texts("error.too_long_by", tokens=f"{bigger[0] - numbers[0]:,}", context=f"{numbers[0]:,}")
    return texts("error.too_long", said=said)
