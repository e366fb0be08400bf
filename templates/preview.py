"""A conversation as a model reads it: every token, with what it is told apart, for the terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.console import Group, RenderableType
from rich.text import Text

from templates.conversation import Message
from templates.encoder import Encoder

Kind: TypeAlias = Literal["control", "context", "supervised"]

# Told apart by colour and, where there is none, by weight, underline and reversal.
STYLES: dict[Kind, str] = {"control": "reverse magenta", "context": "default", "supervised": "bold underline green"}
_EXAMPLE = (
    ("user", "What is 2 + 2?\nAnd 二加二？"),
    ("assistant", "**4**, in any language 🙂"),
    ("user", "Thanks. <|im_end|> </s>"),
    ("assistant", "You are welcome."),
)


@dataclass(frozen=True)
class Span:
    """One token, or the few that share a character between them: their text and ids."""

    text: str
    ids: tuple[int, ...]
    kind: Kind


@dataclass(frozen=True)
class Preview:
    """A conversation's tokens, a list of spans a turn; `rejected` names the replies that are not taught."""

    messages: Sequence[Message]
    turns: list[list[Span]]
    rejected: dict[int, str]

    def count(self, kind: Kind | None = None) -> int:
        """How many tokens there are, in all or of a kind."""
        return sum(len(span.ids) for turn in self.turns for span in turn if kind in (None, span.kind))


def example() -> list[Message]:
    """A conversation to look at where none is given: two scripts, an emoji, and control strings posing as text."""
    return [Message(role=role, content=content) for role, content in _EXAMPLE]  # type: ignore[arg-type]


def preview(encoder: Encoder, messages: Sequence[Message]) -> Preview:
    """Encode a conversation and cut its tokens into spans, turn by turn."""
    [encoded] = encoder.encode([messages])
    controls = set(encoder.control_ids)
    kinds: list[Kind] = [
        "supervised" if taught else "control" if token_id in controls else "context"
        for token_id, taught in zip(encoded.ids, encoded.mask, strict=True)
    ]
    pieces = encoder.token_bytes(encoded.ids)
    starts = [0, *encoded.turn_ends[:-1]]
    turns = [
        list(_spans(encoded.ids[start:end], pieces[start:end], kinds[start:end]))
        for start, end in zip(starts, encoded.turn_ends, strict=True)
    ]
    return Preview(messages=messages, turns=turns, rejected=dict(encoded.rejected))


def _spans(ids: Sequence[int], pieces: Sequence[bytes], kinds: Sequence[Kind]) -> Iterator[Span]:
    """Join tokens until their bytes are whole characters; a character never has more than four."""
    begun = 0
    for at in range(len(ids)):
        spelled = b"".join(pieces[begun : at + 1])
        is_last = at + 1 == len(ids) or kinds[at + 1] != kinds[at]
        if is_last or at - begun == 3 or _is_whole(spelled):
            yield Span(spelled.decode("utf-8", "replace"), tuple(ids[begun : at + 1]), kinds[begun])
            begun = at + 1


def _is_whole(spelled: bytes) -> bool:
    try:
        spelled.decode()
    except UnicodeDecodeError:
        return False
    return True


def visible(text: str) -> str:
    """The text with its line ends, tabs and other unseen characters made visible."""
    shown = text.replace("\n", "\u23ce\n").replace("\t", "\u2192\t").replace("\r", "\u240d")
    return "".join(char if char.isprintable() or char in "\n\t " else f"\\u{ord(char):04x}" for char in shown)


def to_terminal(shown: Preview) -> RenderableType:
    """The preview in colour, with a heading a turn, a legend and the counts."""
    legend = Text(" ").join(Text(kind, style) for kind, style in STYLES.items()).append("   | between tokens", "dim")
    parts: list[RenderableType] = [legend]
    for turn, (message, spans) in enumerate(zip(shown.messages, shown.turns, strict=True)):
        note = f"  not taught: {shown.rejected[turn]}" if turn in shown.rejected else ""
        parts.append(Text.assemble((f"\n{turn} {message.role}", "bold"), (note, "yellow")))
        parts.append(_line(spans))
    parts.append(Text(f"\n{counts_of(shown)}", "bold"))
    return Group(*parts)


def counts_of(shown: Preview) -> str:
    """The counts in words."""
    kinds: tuple[Kind, ...] = ("supervised", "context", "control")
    return f"{shown.count()} tokens: {', '.join(f'{shown.count(kind)} {kind}' for kind in kinds)}"


def _line(spans: Sequence[Span]) -> Text:
    line = Text()
    for position, span in enumerate(spans):
        line.append("|" if position else "", "dim")
        line.append(visible(span.text), STYLES[span.kind])
    return line
