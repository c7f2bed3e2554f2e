"""A viewer's client that looks only for the numbers in a picture: it takes what a browser takes, and skips the rest.

It asks as the page's noVNC does (Tight, JPEG) and unpacks what must be unpacked to go on. Of the pixels it keeps those by
which a picture is counted: a strip of squares at the top and one at the bottom that spell the picture's number.
"""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from modulux.errors import RfbError
from modulux.rfb import Rect, RfbTimeoutError, Stream
from modulux.rfb.client import RECT, SERVER_INIT, SET_PIXEL_FORMAT, VERSION
from modulux.rfb.wire import Wire

BITS = 12
NUMBERS = 1 << BITS

RAW, TIGHT = 0, 7
DESKTOP_SIZE, LAST_RECT, CURSOR = -223, -224, -239
QUALITY, COMPRESSION = -26, -254  # noVNC's 6 of 9, and 2 of 9
FILL, JPEG = 8, 9  # kinds of Tight rectangles; those below are packed by zlib
COPY, PALETTE = 0, 1  # filters

Pixel = tuple[int, int, int]
Place = tuple[int, int]


@dataclass(frozen=True)
class Strips:
    """Where the squares of a picture's number are, and by how much the number at the bottom is ahead of that at the top.

    left, step: the middle of the first square (the highest bit), and from one to the next, in pixels.
    """

    left: int
    step: int
    top: int
    bottom: int
    ahead: int = 0

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple((self.left + self.step * n, y) for y in (self.top, self.bottom) for n in range(BITS))


class Numbers:
    """The pixels of the strips, as they are known by now."""

    def __init__(self, strips: Strips) -> None:
        self._strips = strips
        self._light: dict[Place, bool] = {}

    def within(self, rect: Rect) -> list[Place]:
        """The places that lie in the rectangle, counted from its corner."""
        x, y = rect.x, rect.y
        return [(px - x, py - y) for px, py in self._strips.places if 0 <= px - x < rect.width and 0 <= py - y < rect.height]

    def put(self, rect: Rect, pixel: Callable[[Place], Pixel]) -> None:
        """Take in the pixels of a rectangle that has changed."""
        for px, py in self.within(rect):
            self._light[px + rect.x, py + rect.y] = sum(pixel((px, py))) > 3 * 127

    def read(self) -> tuple[int, bool] | None:
        """The number at the bottom, and whether top and bottom are of the same picture; None while not all is known."""
        bits = [self._light.get(place) for place in self._strips.places]
        if None in bits:
            return None
        top, bottom = (sum(bool(bit) << BITS - 1 - n for n, bit in enumerate(part)) for part in (bits[:BITS], bits[BITS:]))
        return bottom, (top + self._strips.ahead) % NUMBERS == bottom


def decoded(data: bytes) -> Callable[[Place], Pixel]:
    """The pixels of a JPEG or PNG: their light alone, which is less work."""
    picture = Image.open(io.BytesIO(data))
    picture.draft("L", picture.size)
    grey = picture.convert("L")

    def pixel(place: Place) -> Pixel:
        light = grey.getpixel(place)
        assert isinstance(light, int)
        return light, light, light

    return pixel


class Watched(Protocol):
    """A viewer that is looked through."""

    numbers: Numbers
    received: int  # bytes so far

    def update(self, deadline: float) -> bool:
        """Take in the next update; False when none came in time. Asks for the one after it by itself."""

    def close(self) -> None: ...


class RfbWatch:
    """An RFB connection. It owns the stream.

    Raises:
        RfbError: what came is not RFB, or not in time.
    """

    def __init__(self, stream: Stream, strips: Strips, timeout: float = 10.0) -> None:
        self.numbers = Numbers(strips)
        self.received = 0
        self._stream, self._wire, self._timeout = stream, Wire(stream), timeout
        self._inflate = [zlib.decompressobj() for _ in range(4)]
        try:
            self._greet(time.monotonic() + timeout)
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
            until = time.monotonic() + self._timeout
            kind = self._byte(until)
            if kind == 0:
                self._update(until)
                return True
            if kind == 1:
                self._read(int.from_bytes(self._read(5, until)[3:], "big") * 6, until)
            elif kind == 3:
                self._read(int.from_bytes(self._read(7, until)[3:], "big"), until)
            elif kind != 2:
                raise RfbError(f"the RFB server sent a message of unknown kind {kind}")

    def _greet(self, deadline: float) -> None:
        self._read(12, deadline)
        self._stream.send(VERSION, deadline)
        if 1 not in self._read(self._byte(deadline), deadline):
            raise RfbError("the RFB server wants an authentication")
        self._stream.send(b"\x01", deadline)
        self._read(4, deadline)
        self._stream.send(b"\x01", deadline)
        self._width, self._height, _, name = SERVER_INIT.unpack(self._read(SERVER_INIT.size, deadline))
        self._read(name, deadline)
        encodings = [TIGHT, RAW, QUALITY, COMPRESSION, LAST_RECT, CURSOR, DESKTOP_SIZE]
        self._stream.send(SET_PIXEL_FORMAT + struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings), deadline)
        self._ask(deadline, incremental=False)

    def _ask(self, deadline: float, *, incremental: bool = True) -> None:
        self._stream.send(struct.pack(">BBHHHH", 3, incremental, 0, 0, self._width, self._height), deadline)

    def _update(self, deadline: float) -> None:
        for _ in range(int.from_bytes(self._read(3, deadline)[1:], "big")):
            *place, encoding = RECT.unpack(self._read(RECT.size, deadline))
            rect = Rect(*place)
            if encoding == LAST_RECT:
                break
            if encoding == TIGHT:
                self._tight(rect, deadline)
            elif encoding == RAW:
                data = self._read(rect.width * rect.height * 4, deadline)
                self.numbers.put(rect, lambda place, d=data, w=rect.width: _pixel(d, (place[1] * w + place[0]) * 4))  # type: ignore[misc]
            elif encoding == CURSOR:
                self._read(rect.width * rect.height * 4 + (rect.width + 7) // 8 * rect.height, deadline)
            elif encoding == DESKTOP_SIZE:
                self._width, self._height = rect.width, rect.height
            else:
                raise RfbError(f"the RFB server used encoding {encoding}, which was not asked for")
        self._ask(deadline)  # only now, as noVNC does

    def _tight(self, rect: Rect, deadline: float) -> None:
        control = self._byte(deadline)
        for number in range(4):
            if control >> number & 1:
                self._inflate[number] = zlib.decompressobj()
        kind = control >> 4
        if kind == FILL:
            colour = self._read(3, deadline)
            self.numbers.put(rect, lambda _: _pixel(colour, 0))
        elif kind == JPEG:
            data = self._read(self._length(deadline), deadline)
            if self.numbers.within(rect):
                self.numbers.put(rect, decoded(bytes(data)))
        elif kind < FILL:
            self._packed(rect, kind, deadline)
        else:
            raise RfbError(f"the RFB server sent a Tight rectangle of unknown kind {kind}")

    def _packed(self, rect: Rect, kind: int, deadline: float) -> None:
        what = self._byte(deadline) if kind & 4 else COPY
        if what == PALETTE:
            count = self._byte(deadline) + 1
            colours = self._read(3 * count, deadline)
            row = (rect.width + 7) // 8 if count == 2 else rect.width
        elif what == COPY:
            row = rect.width * 3
        else:
            raise RfbError(f"the RFB server sent a Tight rectangle with the unknown filter {what}")
        size = row * rect.height
        data = bytes(self._read(size, deadline)) if size < 12 else self._inflated(kind & 3, size, deadline)

        def pixel(place: Place) -> Pixel:
            x, y = place
            if what == COPY:
                return _pixel(data, y * row + x * 3)
            index = data[y * row + x // 8] >> 7 - x % 8 & 1 if count == 2 else data[y * row + x]
            return _pixel(colours, index * 3)

        self.numbers.put(rect, pixel)

    def _inflated(self, stream: int, size: int, deadline: float) -> bytes:
        packed = self._read(self._length(deadline), deadline)
        try:
            data = self._inflate[stream].decompress(packed)
        except zlib.error as error:
            raise RfbError(f"the RFB server sent what cannot be unpacked: {error}") from error
        if len(data) != size:
            raise RfbError(f"the RFB server sent {len(data)} bytes of pixels instead of {size}")
        return data

    def _length(self, deadline: float) -> int:
        length = 0
        for shift in (0, 7, 14):
            byte = self._byte(deadline)
            length |= (byte if shift == 14 else byte & 0x7F) << shift
            if byte < 0x80:
                break
        return length

    def _byte(self, deadline: float) -> int:
        return self._read(1, deadline)[0]

    def _read(self, count: int, deadline: float) -> bytearray:
        self.received += count
        return self._wire.read(count, deadline)


def _pixel(data: Sequence[int], at: int) -> Pixel:
    return data[at], data[at + 1], data[at + 2]
