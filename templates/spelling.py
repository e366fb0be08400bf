"""How a template's literal texts are spelled for a guarded tokenizer, and how long they are in its coordinates.

A coordinate counts UTF-8 bytes of text, and one for each control token: it is what the running sum of
`GuardedTokenizer.byte_lengths` over the token ids reaches, wherever a token ends.
"""

import re
from dataclasses import dataclass

from templates.guard import GuardedTokenizer

_MOST_KNOWN = 4096


@dataclass(frozen=True)
class Literal:
    """A literal text of a template: its secret spelling, and its control tokens.

    `head` is the length of the text before the first control token; `controls` holds each control token's id with
    the length of the text that follows it.

    >>> spell("</s>USER: ").controls     # one control token, then six bytes of text
    ((2, 6),)
    """

    spelling: str
    head: int
    controls: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """The length in coordinates."""
        return self.head + sum(1 + after for _, after in self.controls)


class Speller:
    """Spells literal texts; a template's few are spelled once."""

    def __init__(self, guarded: GuardedTokenizer) -> None:
        self._guarded = guarded
        self._known: dict[str, Literal] = {}
        # the longest control string first, as the tokenizer itself matches them
        strings = sorted(map(re.escape, guarded.spelled), key=len, reverse=True)
        self._pattern = re.compile(f"({'|'.join(strings)})") if strings else re.compile("(?!)")

    def __call__(self, text: str) -> Literal:
        """The literal for a text."""
        if text not in self._known:
            if len(self._known) == _MOST_KNOWN:  # texts around tools differ from request to request
                self._known.clear()
            self._known[text] = self._spell(text)
        return self._known[text]

    def first_control(self, text: str) -> re.Match[str] | None:
        """The first control string in a text."""
        return self._pattern.search(text)

    def split(self, text: str) -> list[str]:
        """Text, control string, text, and so on, ending with text.

        >>> spell.split("<s>USER:")
        ['', '<s>', 'USER:']
        """
        return self._pattern.split(text)

    def _spell(self, text: str) -> Literal:
        head, *rest = self.split(text)
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        return Literal(
            spelling=head + "".join(self._guarded.spelled[control] + after for control, after in pairs),
            head=self._guarded.byte_length(head),
            controls=tuple(
                (self._guarded.control_ids[control], self._guarded.byte_length(after)) for control, after in pairs
            ),
        )
