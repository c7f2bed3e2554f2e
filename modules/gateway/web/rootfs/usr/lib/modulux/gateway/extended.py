"""The extended clipboard of RFB: its messages' bodies, for text alone. Lines end as RFB wants it outside, and by LF inside."""

from __future__ import annotations

import zlib

TEXT = 1
CAPS, REQUEST, PEEK, NOTIFY, PROVIDE = (1 << bit for bit in range(24, 29))
ALL = REQUEST | PEEK | NOTIFY | PROVIDE


class BadMessageError(Exception):
    """It holds no text that can be taken; the message says why."""


def message(flags: int, body: bytes = b"") -> bytes:
    """A whole message of the server's."""
    return b"\x03\0\0\0" + (-4 - len(body)).to_bytes(4, signed=True) + flags.to_bytes(4) + body


def capabilities(most: int) -> bytes:
    """What is understood here, and how much text may be sent without being asked for."""
    return message(CAPS | ALL | TEXT, most.to_bytes(4))


def provide(text: bytes) -> bytes:
    """A text."""
    lines = text.replace(b"\n", b"\r\n") + b"\0"
    return message(PROVIDE | TEXT, zlib.compress(len(lines).to_bytes(4) + lines, 1))


def provided(body: bytes, most: int) -> bytes:
    """The text of a client's message, of which `body` is what follows the flags. Raises BadMessageError."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(body, 2 * most + 5)  # each LF may have come as two
    except zlib.error as error:
        raise BadMessageError(f"cannot be unpacked ({error})") from error
    size = int.from_bytes(data[:4])
    text = data[4 : 4 + size].replace(b"\r\n", b"\n").removesuffix(b"\0")
    if size > 2 * most + 1 or len(text) > most:
        raise BadMessageError(f"is larger than {most >> 20} MB")
    if len(data) < 4 + size:
        raise BadMessageError("is not whole")
    return text


def limits(flags: int, body: bytes) -> dict[int, int]:
    """Of a client's capabilities: for each format, how much may be sent without being asked for."""
    formats = [1 << bit for bit in range(16) if flags & 1 << bit]
    return {one: int.from_bytes(body[4 * at : 4 * at + 4]) for at, one in enumerate(formats)}
