"""The same through Xpra: its own protocol, asked as its page asks (JPEG, PNG or plain pixels, whichever it thinks best)."""

from __future__ import annotations

import time
import zlib
from typing import Any

from modulux.bench.watch import Numbers, Pixel, Place, Strips, decoded
from modulux.errors import RfbError
from modulux.rfb import Rect, RfbTimeoutError, Stream
from modulux.rfb.wire import Wire
from modulux.xpra.packets import Packets, pack

ENCODINGS = ["jpeg", "png", "rgb32", "rgb24"]
HELLO = {
    "version": "3.1.3",
    "client_type": "Modulux",
    "username": "user",
    "uuid": "modulux-bench",
    "share": True,
    "ui_client": True,
    "windows": True,
    "bencode": True,
    "rencode": False,
    "compression_level": 0,
    "generic-rgb-encodings": True,
    "encoding.generic": True,
    "encodings": ENCODINGS,
    "encodings.core": ENCODINGS,
    "encodings.rgb_formats": ["BGRX", "RGBX", "RGB"],
    "encoding.rgb_zlib": True,
    "encoding.rgb_lz4": False,
    "encoding.rgb_lzo": False,
    "encoding.transparency": False,
    "desktop_size": [1280, 800],
}
MAX_PACKET = 1 << 26


class XpraWatch:
    """A connection to an Xpra server. It owns the stream.

    Raises:
        RfbError: what came is not Xpra, or not in time.
    """

    def __init__(self, stream: Stream, strips: Strips, timeout: float = 20.0) -> None:
        self.numbers = Numbers(strips)
        self.received = 0
        self._stream, self._wire, self._timeout = stream, Wire(stream), timeout
        self._packets = Packets(self._wire, MAX_PACKET)
        self._window = 0
        try:
            self._send(["hello", HELLO])
            deadline = time.monotonic() + timeout
            while not self._window:
                self._packet(deadline)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._stream.close()

    def update(self, deadline: float) -> bool:
        while True:
            try:
                self._wire.wait(deadline)
            except RfbTimeoutError:
                return False
            if self._packet(time.monotonic() + self._timeout):
                return True

    def _send(self, packet: list[Any]) -> None:
        self._stream.send(pack(packet), time.monotonic() + self._timeout)

    def _packet(self, deadline: float) -> bool:
        """Take in a packet; whether a picture is whole with it."""
        packet = self._packets.read(deadline)
        self.received = self._packets.received
        match packet:
            case [b"new-window", int(window), int(x), int(y), int(width), int(height), *_] if not self._window:
                self._window = window
                self._send(["map-window", window, x, y, width, height, {}, {}])
                self._send(["focus", window, []])
            case [b"draw", int(window), int(x), int(y), int(width), int(height), kind, pixels, int(number), int(line), *rest]:
                began = time.monotonic()
                options = rest[0] if rest else {}
                self._draw(Rect(x, y, width, height), kind, pixels, line, options)
                taken = max(1, round((time.monotonic() - began) * 1e6))
                self._send(["damage-sequence", number, window, width, height, taken, ""])
                return not options.get(b"flush")
            case [b"ping", int(sent), *rest]:
                self._send(["ping_echo", sent, 0, 0, 0, 0, rest[1] if len(rest) > 1 else b""])
            case [b"disconnect" | b"challenge", *_]:
                raise RfbError(f"the Xpra server refuses: {packet}")
        return False

    def _draw(self, rect: Rect, kind: bytes, pixels: bytes, line: int, options: dict[bytes, Any]) -> None:
        if not self.numbers.within(rect):
            return
        if kind in {b"jpeg", b"png", b"png/L", b"png/P"}:
            self.numbers.put(rect, decoded(pixels))
            return
        if kind in {b"rgb24", b"rgb32"}:
            if options.get(b"zlib"):
                pixels = zlib.decompress(pixels)
            size = len(options.get(b"rgb_format", b"RGB" if kind == b"rgb24" else b"RGBX"))
        else:
            raise RfbError(f"the Xpra server used the encoding {kind!r}, which was not asked for")

        def pixel(place: Place) -> Pixel:
            at = place[1] * line + place[0] * size
            return pixels[at], pixels[at + 1], pixels[at + 2]

        self.numbers.put(rect, pixel)
