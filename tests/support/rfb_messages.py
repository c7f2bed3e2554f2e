"""Messages of RFB, as tests put them together."""

from __future__ import annotations

import struct

EXTENDED = -1063131698
CAPS, REQUEST, PEEK, NOTIFY, PROVIDE = (1 << bit for bit in range(24, 29))
FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
SMALL = struct.pack(">BBBBHHHBBB3x", 8, 8, 0, 1, 7, 7, 3, 0, 3, 6)
INIT = struct.pack(">HH", 100, 50) + FORMAT + struct.pack(">I", 4) + b"desk"
TEXT = "你好世界 🌍 Grüße\nzweite Zeile"


def area(width: int, height: int, encoding: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHHHi", 1, 2, width, height, encoding) + data


def update(*areas: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(areas)) + b"".join(areas)


def cut(data: bytes, size: int | None = None, kind: int = 3) -> bytes:
    return struct.pack(">B3xi", kind, len(data) if size is None else size) + data


def counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
