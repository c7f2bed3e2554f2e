"""The picture as the server has sent it so far: 32-bit pixels, blue first (BGRX), and what the encodings do to it."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from modulux.errors import RfbError
from modulux.rfb.wire import Wire

MAX_SIDE = 16384  # pixels
MAX_PIXELS = 1 << 26  # 256 MiB: more is a broken server, or one that wants our memory
RAW, COPY_RECT, ZLIB, DESKTOP_SIZE = 0, 1, 6, -223


class Rect(NamedTuple):
    """A rectangle of the picture, in pixels from the top left."""

    x: int
    y: int
    width: int
    height: int


class Framebuffer:
    """`width` by `height` pixels in `data`, four bytes each; black until the server sends them."""

    def __init__(self, width: int, height: int) -> None:
        self.width = 0
        self.height = 0
        self.data = bytearray()
        self._inflate = zlib.decompressobj()  # one stream of it for the whole connection, as the protocol wants
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Take another size; what was there is forgotten."""
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
            raise RfbError(f"the RFB server speaks of a screen of {width}x{height}, which cannot be")
        self.width = width
        self.height = height
        self.data = bytearray(width * height * 4)

    def check(self, rect: Rect) -> None:
        """Raise an RfbError if the rectangle is not wholly on the screen."""
        if rect.x + rect.width > self.width or rect.y + rect.height > self.height:
            raise RfbError(f"the RFB server sent an area outside of its {self.width}x{self.height} screen: {tuple(rect)}")

    def raw(self, rect: Rect, wire: Wire, deadline: float) -> None:
        """Pixels as they are."""
        if rect.width == self.width:  # whole lines lie next to each other
            start = rect.y * self.width * 4
            with memoryview(self.data) as view:
                wire.read_into(view[start : start + rect.width * rect.height * 4], deadline)
        else:
            self.put(rect, wire.read(rect.width * rect.height * 4, deadline))

    def zlib(self, rect: Rect, wire: Wire, deadline: float) -> None:
        """Pixels deflated, all rectangles of a connection in one stream."""
        size = rect.width * rect.height * 4
        length = int.from_bytes(wire.read(4, deadline), "big")
        if length > size + 65536:  # deflate adds next to nothing to what it cannot shrink
            raise RfbError(f"the RFB server sent {length} deflated bytes for an area of {size}")
        packed = wire.read(length, deadline)
        try:
            pixels = self._inflate.decompress(packed, size + 1)  # one more than there may be, so that more is noticed
        except zlib.error as error:
            raise RfbError(f"the RFB server sent a broken zlib stream: {error}") from error
        if len(pixels) != size:
            raise RfbError(f"the RFB server's zlib stream does not hold the {size} bytes of its area")
        self.put(rect, pixels)

    def copy(self, rect: Rect, x: int, y: int) -> None:
        """Take the pixels from another place on the screen (the two may overlap)."""
        source = Rect(x, y, rect.width, rect.height)
        self.check(source)
        self.put(rect, self.get(source))

    def get(self, rect: Rect) -> bytes:
        """The pixels of an area, line after line."""
        line, width = self.width * 4, rect.width * 4
        first = rect.y * line + rect.x * 4
        if rect.width == self.width:
            return bytes(memoryview(self.data)[first : first + rect.height * line])
        return b"".join(self.data[at : at + width] for at in range(first, first + rect.height * line, line))

    def put(self, rect: Rect, pixels: bytes | bytearray) -> None:
        """Set the pixels of an area, line after line."""
        line, width = self.width * 4, rect.width * 4
        with memoryview(self.data) as target, memoryview(pixels) as source:
            for row in range(rect.height):
                at = (rect.y + row) * line + rect.x * 4
                target[at : at + width] = source[row * width : (row + 1) * width]
