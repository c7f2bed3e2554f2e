"""What the tests of the RFB client share: a stream that plays bytes from memory, and the bytes of a server."""

from __future__ import annotations

import struct

from modulux.errors import RfbError
from modulux.rfb import RfbTimeoutError

GREETING = b"RFB 003.008\n\x01\x01\x00\x00\x00\x00"


def init(width: int, height: int, name: bytes = b"desk") -> bytes:
    """What a server says up to the point where a client may ask for pictures."""
    return GREETING + struct.pack(">HH16xI", width, height, len(name)) + name


def rect(x: int, y: int, width: int, height: int, encoding: int, data: bytes = b"") -> bytes:  # noqa: PLR0917 - as on the wire
    return struct.pack(">HHHHi", x, y, width, height, encoding) + data


def update(*rects: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(rects)) + b"".join(rects)


class Played:
    """A stream that gives `data` in pieces of at most `chunk` bytes and then ends, or (`stalls`) falls silent."""

    def __init__(self, data: bytes, chunk: int = 1 << 20, stalls: bool = False) -> None:
        self.data = data
        self.chunk = chunk
        self.stalls = stalls
        self.sent = b""
        self.closed = False

    def receive(self, view: memoryview, deadline: float) -> int:
        if not self.data:
            raise RfbTimeoutError("silent") if self.stalls else RfbError("ended")
        piece = self.data[: min(len(view), self.chunk)]
        self.data = self.data[len(piece) :]
        view[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes, deadline: float) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True
