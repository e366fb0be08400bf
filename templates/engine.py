"""What turns texts into token ids: `tokenizers`, the reference, or fastokens, which does the same many times faster.

fastokens is believed only after it gave the reference's ids for this very tokenizer, over every block of Unicode,
plain text in several scripts, and the control tokens. Where it does not, the reference goes on alone, with a line that
says so.
"""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import fastokens
import numpy as np
import numpy.typing as npt
import stringzilla
from tokenizers import Tokenizer

IdArray = npt.NDArray[np.uint32]

# Loading the fast engine takes 0.3 to 1.5 s, what the reference needs for a few megabytes of text.
FAST_FROM_CHARACTERS = 1_000_000
_UNICODE_BLOCK, _SAMPLES_A_BLOCK = 128, 8
_PLAIN_TEXTS = (
    "It's 12:45 - don't panic; they'll ship v2.0.1 (beta) for $1,234.56!\n\n\tfor i in range(10):\n        print(i)  ",
    "從前有一隻羊駝。它說：“你好，世界！” 今日は、世界。 안녕하세요 세계 Привет, мир שלום עולם مرحبا नमस्ते ไทย",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \u00e9 \u212b ﬁ ½ \u200d\u200b\ufeff a\u00a0b  c   d\r\n\r\n e\u2028f ▁▁x <0x0A> ' s 'S",
)
_METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
_SPACE_NORMALIZER = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


class Engine:
    """Encodes texts as one tokenizer does; adds no special token.

    `controls` are the spellings of its control tokens, `missing_bytes` the bytes for which it has no token: the
    reference drops them, fastokens refuses them, so a text that holds one goes to the reference.
    """

    def __init__(self, reference: Tokenizer, *, controls: list[str], missing_bytes: bytes) -> None:
        self._reference = reference
        self._controls = controls
        self._missing_bytes = missing_bytes
        self._fast: _FastEngine | None = None
        self._chosen, self._serves = False, False
        self._characters = 0

    def __getstate__(self) -> dict[str, Any]:
        """For another process: the fast engine itself stays here, the word on whether it serves goes along."""
        return {**self.__dict__, "_fast": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._serves:
            self._fast = _FastEngine(self._reference, controls=self._controls)

    def encode(self, texts: list[str]) -> list[IdArray]:
        """Token ids of each text. Once enough text has come, it goes to the fast engine, if it proved equal."""
        if not self._chosen:
            self._characters += sum(map(len, texts))
            if self._characters >= FAST_FROM_CHARACTERS:
                self.choose()
        return self._encode_reference(texts) if self._fast is None else self._encode_fast(self._fast, texts)

    def choose(self, *, for_copies: bool = False) -> None:
        """Choose the fast engine if it proves equal; `for_copies` in other processes only, to save its memory here."""
        if not self._chosen:
            fast = self._proven()
            self._chosen, self._serves = True, fast is not None
            self._fast = None if for_copies else fast

    def _encode_fast(self, fast: "_FastEngine", texts: list[str]) -> list[IdArray]:
        lacking = {at: text for at, text in enumerate(texts) if self._lacks_tokens(text)} if self._missing_bytes else {}
        if not lacking:
            return fast.encode(texts)
        all_ids = fast.encode(["" if at in lacking else text for at, text in enumerate(texts)])
        for at, ids in zip(lacking, self._encode_reference(list(lacking.values())), strict=True):
            all_ids[at] = ids
        return all_ids

    def _lacks_tokens(self, text: str) -> bool:
        return bool(stringzilla.find_first_of(text, self._missing_bytes) >= 0)

    def _encode_reference(self, texts: list[str]) -> list[IdArray]:
        return [
            np.array(encoding.ids, dtype=np.uint32)
            for encoding in self._reference.encode_batch_fast(texts, add_special_tokens=False)
        ]

    def _proven(self) -> "_FastEngine | None":
        """The fast engine for this tokenizer, or None, with a line on stderr, where it is not the same."""
        try:
            fast = _FastEngine(self._reference, controls=self._controls)
            samples = list(_samples(self._controls))
            pairs = zip(self._encode_fast(fast, samples), self._encode_reference(samples), strict=True)
            if all(np.array_equal(one, other) for one, other in pairs):
                return fast
            reason = "gives other ids"
        except ValueError as error:
            reason = f"cannot read it ({error})"
        print(f"chaku: tokenising at the reference's speed: fastokens {reason} for this tokenizer", file=sys.stderr)
        return None


class _FastEngine:
    """fastokens for one tokenizer. Raises ValueError where fastokens cannot read its description."""

    def __init__(self, reference: Tokenizer, *, controls: list[str]) -> None:
        description = reference.to_str()
        spec = json.loads(description)
        self._spaced = spec["pre_tokenizer"] == _METASPACE and spec["normalizer"] is None
        if self._spaced:
            # fastokens reads SentencePiece's spaces only as a normaliser, which leaves the opening space to us
            description = json.dumps(spec | {"pre_tokenizer": None, "normalizer": _SPACE_NORMALIZER})
        self._openings = (" ", "▁", *controls)
        self._tokenizer = fastokens.Tokenizer.from_json_str(description)

    def encode(self, texts: list[str]) -> list[IdArray]:
        if self._spaced:
            texts = [text if not text or text.startswith(self._openings) else f" {text}" for text in texts]
        ids, ends = self._tokenizer.encode_batch_flat(texts)
        flat = np.frombuffer(ids, dtype="<u4")
        return [flat[start:end] for start, end in pairwise(np.frombuffer(ends, dtype="<u8").tolist())]


def _samples(controls: list[str]) -> Iterator[str]:
    """Texts on which two engines that differ would show it: a few characters of every block, words, control tokens."""
    stride = _UNICODE_BLOCK // _SAMPLES_A_BLOCK
    points = [point for point in range(0, 0x110000, stride) if not 0xD800 <= point < 0xE000]
    for start in range(0, len(points), 512):
        characters = list(map(chr, points[start : start + 512]))
        yield "".join(characters)
        yield "a ".join(characters)
    yield ""
    for text in _PLAIN_TEXTS:
        yield from (text, f" {text}")
        yield from (f"{control}{text}{control}\n{text} {control}" for control in controls)
