"""What bytes the pieces of a vocabulary stand for: GPT-2's byte-level alphabet, and SentencePiece's spelling."""

from functools import cache


@cache
def letters() -> dict[int, str]:
    """The byte-level letter of each byte: printable Latin-1 stands for itself, the others follow from U+0100 on.

    Source: the vocabulary of GPT-2 (OpenAI, 2019), which all byte-level tokenizers share.

    >>> letters()[32], letters()[65]
    ('Ġ', 'A')
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + at) for at, byte in enumerate(others)}


def bytes_of_piece(piece: str, *, metaspace: bool) -> bytes:
    """The bytes of a piece of a vocabulary, of the SentencePiece kind (`metaspace`) or of the byte-level kind.

    >>> bytes_of_piece("Ġcaf", metaspace=False), bytes_of_piece("▁Hi", metaspace=True)
    (b' caf', b' Hi')
    """
    if metaspace:
        is_byte = len(piece) == 6 and piece.startswith("<0x")
        return bytes([int(piece[3:5], 16)]) if is_byte else piece.replace("▁", " ").encode()
    known = _bytes()
    # control tokens and other added ones stand in the vocabulary as they are
    return bytes(known[letter] for letter in piece) if all(map(known.__contains__, piece)) else piece.encode()


@cache
def _bytes() -> dict[str, int]:
    return {letter: byte for byte, letter in letters().items()}
