"""What decides the token ids of a conversation, as one digest: training writes it, serving checks it."""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Fingerprint:
    """A sha256 over `parts`: the template's text, the tokenizer's content, and the versions that read them."""

    digest: str
    parts: dict[str, str]

    def differences(self, other: "Fingerprint") -> list[str]:
        """The names of the parts that are not the same, for instance ``["template"]``."""
        return sorted(key for key in self.parts | other.parts if self.parts.get(key) != other.parts.get(key))


def fingerprint_of(template_text: str, tokenizer: "PreTrainedTokenizerBase") -> Fingerprint:
    """The fingerprint of a template, in the form in which it is exported for the tokenizer, with the tokenizer."""
    parts = {
        "template": _sha256(template_text),
        "tokenizer": _sha256(_canonical(tokenizer)),
        "transformers": version("transformers"),
        "tokenizers": version("tokenizers"),
    }
    return Fingerprint(digest=_sha256(json.dumps(parts, sort_keys=True)), parts=parts)


def _canonical(tokenizer: "PreTrainedTokenizerBase") -> str:
    # Truncation and padding are the state of the last call, not a property of the tokenizer.
    spec: dict[str, Any] = {**json.loads(tokenizer.backend_tokenizer.to_str()), "truncation": None, "padding": None}
    return json.dumps([spec, tokenizer.bos_token, tokenizer.eos_token], sort_keys=True, ensure_ascii=False)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
