"""A tokenizer that no content can command: its control tokens are respelled with a secret that no text can hold.

The text of a conversation is tokenised in one piece, so that every merge, pre-token and prefix space falls as it does
for the plain tokenizer. Only the spelling of the control tokens is changed, in the template's words and in the
tokenizer alike; a content that says "<|im_end|>" is then ordinary text.
"""

import json
import re
import secrets
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import stringzilla
from tokenizers import Tokenizer

from templates.byte_level import letters
from templates.conversation import utf8_length
from templates.engine import Engine
from templates.errors import InputError

_BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
_BRACKETED = re.compile(r"<.+>|\[.+\]", re.DOTALL)


@dataclass(frozen=True)
class GuardedTokenizer:
    """A tokenizer with respelled control tokens.

    `spelled` maps each control string to its secret spelling, `control_ids` each control string to its id.
    `byte_lengths[id]` is how many UTF-8 bytes of text a token covers; -1 for a control token, which is counted as one
    byte, so that the running sum over ids grows at every token. `missing_bytes` are those for which the vocabulary
    has no token: the tokenizer drops them. `may_prefix_space` tells whether a section of text may open
    with a space that is not in the text. `takes_before` and `takes_after` are the control strings that the plain
    tokenizer lets take the whitespace beside them.
    """

    engine: Engine
    spelled: dict[str, str]
    control_ids: dict[str, int]
    byte_lengths: npt.NDArray[np.int32]
    missing_bytes: bytes
    may_prefix_space: bool
    normal_form_c: bool
    metaspace: bool
    takes_before: frozenset[str]
    takes_after: frozenset[str]

    def canonical(self, content: str) -> str:
        """The content as the tokenizer reads it (Unicode NFC, U+2581 as a space), with the same token ids.

        A reply that this changes cannot be taught, since no ids decode to it.
        """
        if self.normal_form_c:
            content = unicodedata.normalize("NFC", content)
        return content.replace("▁", " ") if self.metaspace else content

    def byte_length(self, content: str) -> int:
        """How many UTF-8 bytes the tokens of a content cover."""
        if content.isascii() and stringzilla.find_first_of(content, self._missing_ascii) < 0:
            return len(content)
        return len(content.encode().translate(None, self.missing_bytes))

    @cached_property
    def _missing_ascii(self) -> bytes:
        return bytes(byte for byte in self.missing_bytes if byte < 128)

    def reads_exactly(self, content: str) -> bool:
        """Whether the tokens of a content decode to it."""
        return self.canonical(content) == content and self.byte_length(content) == utf8_length(content)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of texts whose control tokens are spelled in secret; no special token is added."""
        return [ids.tolist() for ids in self.engine.encode(texts)]


def guard(backend: Tokenizer) -> GuardedTokenizer:
    """Respell the control tokens of a `tokenizers` tokenizer. Raises InputError for a kind that cannot be guarded."""
    spec = json.loads(backend.to_str())
    secret = secrets.token_hex(8)
    controls = [token for token in spec["added_tokens"] if _is_control(token)]
    spelled = {token["content"]: f"<{secret}x{token['id']:x}>" for token in controls}
    metaspace = _is_metaspace(spec)
    lengths = _byte_lengths(spec, metaspace=metaspace)
    tokenizer = Tokenizer.from_str(json.dumps(_respell(spec, spelled), ensure_ascii=False))
    for token in controls:
        lengths[token["id"]] = -1
        if tokenizer.token_to_id(spelled[token["content"]]) != token["id"]:
            raise InputError(f"the tokenizer's control token {token['content']!r} has no id of its own")
    missing_bytes = b"" if metaspace else _missing_bytes(spec)
    return GuardedTokenizer(
        engine=Engine(tokenizer, controls=list(spelled.values()), missing_bytes=missing_bytes),
        spelled=spelled,
        control_ids={token["content"]: token["id"] for token in controls},
        byte_lengths=lengths,
        missing_bytes=missing_bytes,
        may_prefix_space=metaspace or '"add_prefix_space": true' in json.dumps(spec["pre_tokenizer"]),
        normal_form_c=spec["normalizer"] is not None and "NFC" in json.dumps(spec["normalizer"]),
        metaspace=metaspace,
        takes_before=frozenset(token["content"] for token in controls if token["lstrip"]),
        takes_after=frozenset(token["content"] for token in controls if token["rstrip"]),
    )


def _is_control(token: dict[str, Any]) -> bool:
    # Some tokenizers add plain letters or runs of spaces as tokens (DeepSeek, GPT-NeoX): those are text.
    return bool(token["special"]) or _BRACKETED.fullmatch(token["content"]) is not None


def _is_metaspace(spec: dict[str, Any]) -> bool:
    """Byte-level (False) or SentencePiece with byte fallback (True): the kinds whose tokens spell their bytes."""
    kind = json.dumps([spec["pre_tokenizer"], spec["normalizer"]], ensure_ascii=False)
    known = re.sub(r'"type": "(Sequence|NFC|Replace|Prepend|Metaspace|ByteLevel|Split|Digits)"', "", kind)
    if spec["model"]["type"] == "BPE" and '"type"' not in known:
        if "ByteLevel" in kind:
            return False
        if spec["model"]["byte_fallback"] and "▁" in kind:
            return True
    raise InputError(
        f"the tokenizer ({spec['model']['type']}) is neither byte-level nor SentencePiece BPE with byte fallback; "
        "take a model of the Llama, Mistral, Qwen, Gemma, GPT or SmolLM families"
    )


def _byte_lengths(spec: dict[str, Any], *, metaspace: bool) -> npt.NDArray[np.int32]:
    vocabulary = dict(spec["model"]["vocab"])
    added = {token["content"]: token["id"] for token in spec["added_tokens"]}
    lengths = np.ones(max([*vocabulary.values(), *added.values()]) + 1, dtype=np.int32)
    for piece, token_id in vocabulary.items():
        if not metaspace:
            lengths[token_id] = len(piece)  # the byte-level alphabet has one letter a byte
        elif not _BYTE_TOKEN.fullmatch(piece):
            lengths[token_id] = len(piece.replace("▁", " ").encode())
    for content, token_id in added.items():
        lengths[token_id] = len(content.encode())
    return lengths


def _missing_bytes(spec: dict[str, Any]) -> bytes:
    return bytes(byte for byte, letter in letters().items() if letter not in spec["model"]["vocab"])


def _respell(spec: dict[str, Any], spelled: dict[str, str]) -> dict[str, Any]:
    """The tokenizer's description with other spellings, and without what adds special tokens or pads."""
    model = dict(spec["model"])
    model["vocab"] = {spelled.get(piece, piece): token_id for piece, token_id in model["vocab"].items()}
    model["merges"] = [pair for pair in model["merges"] if not spelled.keys() & {*pair, "".join(pair)}]
    model["unk_token"] = spelled.get(model["unk_token"], model["unk_token"])
    added = [
        {**token, "content": spelled[token["content"]], "lstrip": False, "rstrip": False}
        if token["content"] in spelled
        else token
        for token in spec["added_tokens"]
    ]
    return {**spec, "model": model, "added_tokens": added, "post_processor": None, "truncation": None, "padding": None}
