"""From conversations to documents of at most a window's tokens, each supervised token in exactly one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from data_tools.overlong import cut_reply, fit_pairs
from templates import Conversation, Encoded, InputError, Message
from templates.encoder import Encoder
from templates.parts import Part, PartEncoder

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Piece:
    """Some pairs of a conversation, as message positions: `lead` to `start` is context, `start` to `end` is taught."""

    conversation: int
    lead: int
    start: int
    end: int


@dataclass(slots=True)
class Document:
    """What a window holds whole: token ids and which of them are supervised, from one conversation.

    `supervised` are the supervised tokens of each message in it, by position in the conversation. `pairs` are the
    lengths of its pairs where it may be cut between them, else empty.
    """

    piece: Piece
    ids: IntArray
    mask: BoolArray
    supervised: dict[int, int]
    pairs: list[int] = field(default_factory=list)

    @property
    def conversation(self) -> int:
        """The number of its conversation."""
        return self.piece.conversation


@dataclass(slots=True)
class Fate:
    """What became of a conversation's messages: their supervised tokens, the rules that rejected or changed them.

    `seen` are the messages that stand in some document.
    """

    supervised: list[int]
    rejected: dict[int, str] = field(default_factory=dict)
    changed: dict[int, str] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)


class WindowMaker:
    """Cuts conversations into documents with one encoder, one window and one overlap (in pairs).

    With `only_last`, where only the last reply is taught, a long conversation makes one document: that reply, with as
    many pairs before it as fit.

    Raises InputError where the window is too small for the template.
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        *,
        encoder: Encoder,
        window: int,
        overlap: int = 0,
        only_last: bool = False,
    ) -> None:
        self.conversations, self.encoder, self.window, self.overlap = conversations, encoder, window, overlap
        self.only_last = only_last
        self.documents: list[Document] = []
        self.rejected: dict[tuple[int, int], str] = {}
        self.changed: dict[tuple[int, int], str] = {}
        self.header = checked_header(encoder, window=window)
        self._wholes: dict[int, Encoded] = {}

    def run(self) -> None:
        """Make all documents, in the order of the conversations: as few for each as its length allows."""
        long: list[Piece] = []
        wholes = [self._whole(number) for number in range(len(self.conversations))]
        encodings = self.encoder.encode([self._conversation_of(piece) for piece in wholes])
        for number, (piece, encoded) in enumerate(zip(wholes, encodings, strict=True)):
            if len(encoded.id_array) <= self.window:
                self._keep(piece, encoded)
            elif self.conversations[number].uses_tools:
                self._reject_replies(number, "longer_than_window")
            else:
                self._wholes[number] = encoded
                long += self._plan(number, encoded.turn_ends)
        self.cut(long)

    def cut(self, pieces: Sequence[Piece]) -> None:
        """Make documents of these pieces, smaller ones where one turns out longer than the window."""
        self._cut(list(pieces))
        self.documents.sort(key=lambda document: (document.conversation, document.piece.start))

    def fates(self) -> list[Fate]:
        """What became of the messages of each conversation, by the documents as they are now."""
        fates = [Fate([0] * len(conversation.messages)) for conversation in self.conversations]
        for document in self.documents:
            fate = fates[document.conversation]
            for position, count in document.supervised.items():
                fate.supervised[position] += count
            fate.seen.update(document.supervised)
        for (conversation, position), rule in self.rejected.items():
            fates[conversation].rejected[position] = rule
        for (conversation, position), rule in self.changed.items():
            fates[conversation].changed[position] = rule
        return fates

    def _whole(self, number: int) -> Piece:
        start, end = self._first_question(number), len(self.conversations[number].messages)
        return Piece(number, self.conversations[number].system_length, start, end)

    def _first_question(self, number: int) -> int:
        """Where the pairs begin: after the system prompt, and after a reply whose question is missing."""
        first = self.conversations[number].system_length
        return first + (self.conversations[number].messages[first].role == "assistant")

    def _positions(self, piece: Piece) -> list[int]:
        return [*range(self.conversations[piece.conversation].system_length), *range(piece.lead, piece.end)]

    def _messages(self, piece: Piece) -> list[Message]:
        """The piece's messages; replies that are repeated as context carry no loss."""
        messages = self.conversations[piece.conversation].messages
        return [
            replace(messages[position], train=False) if position < piece.start else messages[position]
            for position in self._positions(piece)
        ]

    def _conversation_of(self, piece: Piece) -> Conversation:
        conversation = self.conversations[piece.conversation]
        is_whole = piece.lead == piece.start == self.conversations[piece.conversation].system_length
        if is_whole and piece.end == len(conversation.messages):
            return conversation
        return replace(conversation, messages=tuple(self._messages(piece)))

    def _encode(self, pieces: Sequence[Piece]) -> list[Encoded]:
        parts = {at: part for at, piece in enumerate(pieces) if (part := self._part(piece)) is not None}
        rest = [piece for at, piece in enumerate(pieces) if at not in parts]
        encoded = iter(self.encoder.encode([self._conversation_of(piece) for piece in rest]))
        cut = dict(zip(parts, _part_encoder(self.encoder).encode(list(parts.values())), strict=True))
        return [cut[at] if at in cut else next(encoded) for at in range(len(pieces))]

    def _part(self, piece: Piece) -> Part | None:
        """A piece as a part of its conversation, where that is encoded and the piece repeats none of it as context."""
        whole = self._wholes.get(piece.conversation)
        if whole is None or piece.lead < piece.start:
            return None
        return Part(self.conversations[piece.conversation], whole, piece.start, piece.end)

    def _reject_replies(self, number: int, rule: str) -> None:
        """A conversation with tools is not cut: a piece would lack the calls and answers that its replies stand on."""
        for position, message in enumerate(self.conversations[number].messages):
            if message.role == "assistant":
                self.rejected[number, position] = rule

    def _plan(self, number: int, ends: Sequence[int]) -> list[Piece]:
        """Greedy pieces of whole pairs, by the lengths that the pairs have in the whole conversation."""
        system, first = self.conversations[number].system_length, self._first_question(number)
        header = ends[0] if system else self.header
        if self.only_last:
            start = len(ends) - 2
            room = self.window - header - (ends[-1] - (ends[start - 1] if start else 0))
            return [Piece(number, self._lead(first, start, ends, room, most=len(ends)), start, len(ends))]
        pieces: list[Piece] = []
        filled = 0
        for start in range(first, len(ends), 2):
            begin = ends[start - 1] if start else 0
            length = ends[start + 1] - begin
            if pieces and filled + length <= self.window:
                pieces[-1].end = start + 2
                filled += length
                continue
            room = self.window - header - length
            lead = system if start == first else self._lead(first, start, ends, room, most=self.overlap)
            filled = header + length + (begin - (ends[lead - 1] if lead else 0))
            pieces.append(Piece(number, lead, start, start + 2))
        return pieces

    def _lead(self, first: int, start: int, ends: Sequence[int], room: int, *, most: int) -> int:
        """Where the pairs before `start` that are repeated begin: at most so many, and as there is room for."""
        lead = start
        for earlier in range(start - 2, max(first, start - 2 * most) - 1, -2):
            if ends[start - 1] - (ends[earlier - 1] if earlier else 0) > room:
                break
            lead = earlier
        return lead

    def _cut(self, pieces: list[Piece]) -> None:
        """Encode planned pieces; those that turn out longer than the window give up context, then their last pair."""
        overlong: list[tuple[Piece, Encoded]] = []
        while pieces:
            too_long: list[Piece] = []
            for piece, encoded in zip(pieces, self._encode(pieces), strict=True):
                if len(encoded.id_array) <= self.window:
                    self._keep(piece, encoded)
                elif piece.lead < piece.start:
                    # a pair of context less, or the reply without a question that it opened with
                    too_long.append(replace(piece, lead=piece.lead + 2 - (piece.start - piece.lead) % 2))
                elif piece.end - piece.start > 2:
                    last = piece.end - 2
                    too_long += (replace(piece, end=last), replace(piece, lead=last, start=last))
                else:
                    overlong.append((piece, encoded))
            pieces = too_long
        self._keep_overlong(overlong)

    def _keep(self, piece: Piece, encoded: Encoded) -> None:
        """Make a document of a piece that fits, and note which of its replies cannot be taught."""
        positions = self._positions(piece)
        for turn, rule in encoded.rejected:
            if positions[turn] >= piece.start:
                self.rejected[piece.conversation, positions[turn]] = rule
        counts = encoded.supervised
        if not any(counts):
            return
        supervised = dict(zip(positions, counts, strict=True))
        # Repeated context may not be cut off what it leads up to, nor a document be made that teaches nothing.
        has_pairs = piece.lead == piece.start and not self.conversations[piece.conversation].uses_tools
        may_cut = has_pairs and not self.overlap and all(counts[len(counts) % 2 + 1 :: 2])
        pairs = self._pair_lengths(piece, encoded.turn_ends) if may_cut else []
        self._add(Document(piece, encoded.id_array.view(np.int32), encoded.mask_array, supervised, pairs))

    def _pair_lengths(self, piece: Piece, ends: Sequence[int]) -> list[int]:
        first = self.conversations[piece.conversation].system_length
        bounds = [ends[0] if first else self.header, *ends[first + 1 :: 2]]
        return [end - start for start, end in pairwise(bounds)]

    def _keep_overlong(self, overlong: list[tuple[Piece, Encoded]]) -> None:
        """A pair that is longer than a window: shorten its prompt, then let its reply go on in further documents."""
        pairs = [(self._messages(piece), encoded) for piece, encoded in overlong]
        fitted_pairs = fit_pairs(pairs, encoder=self.encoder, window=self.window, header=self.header)
        for (piece, _), fitted in zip(overlong, fitted_pairs, strict=True):
            number, positions = piece.conversation, self._positions(piece)
            if fitted.rule:
                self.rejected[number, positions[-1]] = fitted.rule
                continue
            self.changed.update({(number, positions[turn]): "shortened" for turn in fitted.shortened})
            cuts = cut_reply(fitted.encoded, window=self.window)
            if len(cuts) > 1:
                self.changed[number, positions[-1]] = "continued"
            for ids, mask in cuts:
                supervised = dict.fromkeys(positions, 0) | {positions[-1]: int(mask.sum())}
                self._add(Document(piece, ids, mask, supervised))

    def _add(self, document: Document) -> None:
        assert not document.mask[0], "the first token has nothing before it to be predicted from"  # noqa: S101
        self.documents.append(document)


def checked_header(encoder: Encoder, *, window: int) -> int:
    """The header's length. Raises InputError where the window is too small for the template."""
    header = header_length(encoder)
    if window < 2 * (header + 24):
        raise InputError(
            f"--window {window} is too small for template {encoder.template.name}, whose prompt alone takes "
            f"{header} tokens; take at least {2 * (header + 24)}"
        )
    return header


@lru_cache(maxsize=1)
def header_length(encoder: Encoder) -> int:
    """The tokens that the template writes once, before the first message (its default system prompt, for instance)."""
    pair = [Message(role="user", content="Hello"), Message(role="assistant", content="Hello")]
    once, twice = (len(encoded.ids) for encoded in encoder.encode([pair, pair * 2]))
    return max(0, 2 * once - twice)


@lru_cache(maxsize=1)
def _part_encoder(encoder: Encoder) -> PartEncoder:
    return PartEncoder(encoder)
