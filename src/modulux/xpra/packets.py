"""Xpra's packets: a header of eight bytes, then a value in bencode (BitTorrent's integers, texts, lists and dictionaries)."""

from __future__ import annotations

import struct
from typing import Any

from modulux.errors import RfbError
from modulux.rfb.wire import Wire

HEADER = struct.Struct(">cBBBI")
"""`P`, how it is encoded (0: bencode), how compressed (0: not), which item of the next packet it is (0: a packet), its size."""

DEEPEST = 32
"""Levels of lists within lists: more is a broken server."""


def pack(packet: list[Any]) -> bytes:
    """A whole packet, ready to be sent."""
    body = encode(packet)
    return HEADER.pack(b"P", 0, 0, 0, len(body)) + body


class Packets:
    """The packets that come over a connection, with the large items that are sent ahead of them put in their place.

    Args:
        largest: bytes; more in one piece is no server that was asked for what we ask for.
    """

    def __init__(self, wire: Wire, largest: int) -> None:
        self.received = 0  # bytes
        self._wire, self._largest = wire, largest
        self._parts: dict[int, bytes] = {}

    def read(self, deadline: float) -> list[Any] | None:
        """The next packet, or None when what came was an item of it.

        Raises:
            RfbError: it is compressed, encoded otherwise than asked for, too large, or not in time.
        """
        magic, encoded, packed, part, size = self._wire.fields(HEADER, deadline)
        if (magic, encoded, packed) != (b"P", 0, 0) or size > self._largest:
            raise RfbError(f"this is not an Xpra server that was asked for plain packets: {(magic, encoded, packed, size)}")
        data = bytes(self._wire.read(size, deadline))
        self.received += HEADER.size + size
        if part:
            self._parts[part] = data
            return None
        packet: list[Any] = decode(data)
        for item, content in self._parts.items():
            packet[item] = content
        self._parts = {}
        return packet


def encode(value: Any) -> bytes:
    """Integers, booleans, texts, bytes, lists, tuples and dictionaries of them."""
    match value:
        case bool() | int():
            return b"i%de" % int(value)
        case str():
            return encode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case list() | tuple():
            return b"l" + b"".join(map(encode, value)) + b"e"
        case dict():
            return b"d" + b"".join(encode(key) + encode(item) for key, item in value.items()) + b"e"
    raise TypeError(f"{type(value).__name__} is nothing for bencode")


def decode(data: bytes) -> Any:
    """The value in `data`; texts are bytes. Raises RfbError when it is not bencode."""
    try:
        value, end = _value(data, 0, 0)
    except (ValueError, IndexError, TypeError) as error:
        raise RfbError(f"the Xpra server sent a broken packet: {error}") from error
    if end != len(data):
        raise RfbError("the Xpra server sent a packet with something after its end")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise ValueError("lists within lists without end")
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in {b"l", b"d"}:
        items: list[Any] = []
        at += 1
        while data[at : at + 1] != b"e":
            item, at = _value(data, at, depth + 1)
            items.append(item)
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2], strict=True))), at + 1
    at += kind == b"u"  # a text that says it is one
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if not colon < end <= len(data):
        raise ValueError("a text longer than its packet")
    return data[colon + 1 : end], end
