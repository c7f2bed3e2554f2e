"""An RFB 3.8 client: asks for the picture, keeps it, sends keys, pointer and text. One thread; every wait has a deadline."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from modulux.errors import RfbError
from modulux.rfb.framebuffer import COPY_RECT, DESKTOP_SIZE, RAW, ZLIB, Framebuffer, Rect
from modulux.rfb.picture import Picture
from modulux.rfb.stream import RfbTimeoutError, Stream
from modulux.rfb.wire import Wire

VERSION = b"RFB 003.008\n"
SECURITY_NONE, SECURITY_VNC = 1, 2
MAX_TEXT = 1 << 20  # bytes of a name or reason: more is a broken server
MAX_CUT_TEXT = 1 << 26

# 32 bits a pixel, 24 of colour, little-endian, true colour, 255 each; red at bit 16, green at 8, blue at 0: BGRX in memory.
PIXEL_FORMAT = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
SET_PIXEL_FORMAT = struct.pack(">Bxxx", 0) + PIXEL_FORMAT
SERVER_INIT = struct.Struct(">HH16sI")
RECT = struct.Struct(">HHHHi")
POINT = struct.Struct(">HH")
COLOUR_MAP = struct.Struct(">xHH")
CUT_TEXT = struct.Struct(">xxxI")

Answer = Callable[[bytes], bytes]


class Client:
    """A connection to an RFB server, greeted and ready when this is made. It owns the stream and closes it.

    Args:
        stream: what it runs over.
        timeout: seconds that the greeting, and each message once it has begun, may take.
        shared: leave other viewers connected.
        answer: for servers with VNC authentication: makes the 16-byte answer from the 16-byte challenge.
        deflate: ask for zlib-deflated pixels: less to carry, more to compute. Raw is faster on one machine.

    Raises:
        RfbError: what came is not RFB 3.8, is out of bounds, or did not come in time.
    """

    def __init__(
        self, stream: Stream, *, timeout: float = 10.0, shared: bool = True, answer: Answer | None = None, deflate: bool = False
    ) -> None:
        self._stream = stream
        self._wire = Wire(stream)
        self._timeout = timeout
        self._broken: str | None = None
        self.cut_text: str = ""  # what the server last put on the clipboard
        try:
            self._greet(shared, answer, deflate, time.monotonic() + timeout)
        except BaseException:
            self.close()
            raise

    @property
    def width(self) -> int:
        """The screen's width in pixels."""
        return self._framebuffer.width

    @property
    def height(self) -> int:
        """The screen's height in pixels."""
        return self._framebuffer.height

    def close(self) -> None:
        self._broken = self._broken or "it was closed"
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # The picture

    def request(self, *, incremental: bool = True, area: Rect | None = None) -> None:
        """Ask for the picture, or for what changes in it; the answer comes by `wait_update`."""
        rect = area or Rect(0, 0, self.width, self.height)
        self._send(struct.pack(">BBHHHH", 3, incremental, *rect))

    def wait_update(self, deadline: float) -> tuple[Rect, ...] | None:
        """Wait for the next update and apply it.

        Returns:
            the areas that changed (the whole screen after a change of its size), or None when the deadline, a reading of
            `time.monotonic()`, went by without one; it can be waited for again.

        Raises:
            RfbError: the connection broke or what came is not RFB.
        """
        if self._broken:
            raise RfbError(f"the RFB connection cannot be used: {self._broken}")
        while True:
            try:
                self._wire.wait(deadline)
            except RfbTimeoutError:
                return None
            try:
                changed = self._message(time.monotonic() + self._timeout)
            except BaseException as error:
                self._broken = str(error) or type(error).__name__  # stopped within a message: what follows has no meaning
                raise
            if changed is not None:
                return changed
            if time.monotonic() >= deadline:
                return None

    def updates(self, timeout: float) -> Iterator[tuple[Rect, ...]]:
        """The areas of each update, until none comes within `timeout` seconds. Asks for the next one by itself."""
        while True:
            self.request()
            changed = self.wait_update(time.monotonic() + timeout)
            if changed is None:
                return
            yield changed

    def frame(self, *, full: bool = True, timeout: float = 10.0) -> Picture:
        """Ask for the whole picture (or only for what changed) and return it once it has come.

        Raises:
            RfbError: it did not come within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        self.request(incremental=not full)
        missing = self.width * self.height if full else 1
        while missing > 0:
            changed = self.wait_update(deadline)
            if changed is None:
                raise RfbTimeoutError(f"the RFB server sent no picture within {timeout:g} s")
            if Rect(0, 0, self.width, self.height) in changed:
                break
            missing -= sum(rect.width * rect.height for rect in changed)  # a server may send a frame in parts
        return self.picture()

    def picture(self) -> Picture:
        """The picture as it is known by now, without asking."""
        return Picture(self.width, self.height, bytes(self._framebuffer.data))

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green and blue at a place of the picture as it is known by now."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise ValueError(f"{x},{y} is not on a screen of {self.width}x{self.height}")
        at = (y * self.width + x) * 4
        blue, green, red = self._framebuffer.data[at : at + 3]
        return red, green, blue

    # What the person does

    def key(self, keysym: int, down: bool) -> None:
        """Press or release a key, by its X11 keysym."""
        self._send(struct.pack(">BBxxI", 4, down, keysym))

    def pointer(self, x: int, y: int, buttons: int = 0) -> None:
        """Move the pointer; `buttons` has a bit for each button held, 1 for the left one."""
        self._send(struct.pack(">BBHH", 5, buttons, x, y))

    def send_cut_text(self, text: str) -> None:
        """Put text on the desktop's clipboard; the protocol carries Latin-1, other letters become question marks."""
        data = text.encode("latin-1", errors="replace")
        self._send(struct.pack(">BxxxI", 6, len(data)) + data)

    # Underneath

    def _send(self, data: bytes) -> None:
        if self._broken:
            raise RfbError(f"the RFB connection cannot be used: {self._broken}")
        try:
            self._stream.send(data, time.monotonic() + self._timeout)
        except BaseException as error:
            self._broken = str(error) or type(error).__name__
            raise

    def _greet(self, shared: bool, answer: Answer | None, deflate: bool, deadline: float) -> None:
        greeting = bytes(self._wire.read(12, deadline))
        version = re.fullmatch(rb"RFB (\d{3})\.(\d{3})\n", greeting)
        if version is None:
            raise RfbError(f"this is not an RFB server: it greets with {greeting!r}")
        if (int(version[1]), int(version[2])) < (3, 8):
            raise RfbError(f"the server speaks RFB {int(version[1])}.{int(version[2])}; 3.8 is the least that is supported")
        self._stream.send(VERSION, deadline)
        self._secure(answer, deadline)
        self._stream.send(bytes([shared]), deadline)
        width, height, _, length = self._wire.fields(SERVER_INIT, deadline)
        self.name = self._text(length, deadline)
        self._framebuffer = Framebuffer(width, height)
        encodings = [*([ZLIB] if deflate else []), COPY_RECT, RAW, DESKTOP_SIZE]
        self._stream.send(SET_PIXEL_FORMAT + struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings), deadline)

    def _secure(self, answer: Answer | None, deadline: float) -> None:
        count = self._wire.read(1, deadline)[0]
        if count == 0:
            raise RfbError(f"the RFB server refuses: {self._reason(deadline)}")
        offered = self._wire.read(count, deadline)
        if SECURITY_NONE in offered:
            self._stream.send(bytes([SECURITY_NONE]), deadline)
        elif SECURITY_VNC in offered and answer is not None:
            self._stream.send(bytes([SECURITY_VNC]), deadline)
            self._stream.send(answer(bytes(self._wire.read(16, deadline))), deadline)
        else:
            raise RfbError(f"the RFB server wants an authentication that was not given (types {list(offered)})")
        if int.from_bytes(self._wire.read(4, deadline), "big") != 0:
            raise RfbError(f"the RFB server refuses: {self._reason(deadline)}")

    def _reason(self, deadline: float) -> str:
        return self._text(int.from_bytes(self._wire.read(4, deadline), "big"), deadline)

    def _text(self, length: int, deadline: float) -> str:
        if length > MAX_TEXT:
            raise RfbError(f"the RFB server sent a text of {length} bytes, which cannot be")
        return self._wire.read(length, deadline).decode("utf-8", errors="replace")

    def _message(self, deadline: float) -> tuple[Rect, ...] | None:
        """Read one message; the areas that it changed, or None when it was not about the picture."""
        kind = self._wire.read(1, deadline)[0]
        if kind == 0:
            return self._update(deadline)
        if kind == 1:
            _, count = self._wire.fields(COLOUR_MAP, deadline)
            self._wire.skip(count * 6, deadline)  # it does not matter to true colour
        elif kind == 3:
            (length,) = self._wire.fields(CUT_TEXT, deadline)
            if length > MAX_CUT_TEXT:
                raise RfbError(f"the RFB server sent a clipboard of {length} bytes, which cannot be")
            self.cut_text = self._wire.read(length, deadline).decode("latin-1")
        elif kind != 2:  # 2 is the bell
            raise RfbError(f"the RFB server sent a message of unknown kind {kind}")
        return None

    def _update(self, deadline: float) -> tuple[Rect, ...]:
        framebuffer = self._framebuffer
        count = int.from_bytes(self._wire.read(3, deadline)[1:], "big")
        changed: list[Rect] = []
        for _ in range(count):
            *place, encoding = self._wire.fields(RECT, deadline)
            rect = Rect(*place)
            if encoding == DESKTOP_SIZE:
                framebuffer.resize(rect.width, rect.height)
                changed.append(Rect(0, 0, rect.width, rect.height))
                self.request(incremental=False)
                continue
            framebuffer.check(rect)
            if time.monotonic() > deadline:
                raise RfbTimeoutError("the RFB server's update did not end in time")
            if encoding == RAW:
                framebuffer.raw(rect, self._wire, deadline)
            elif encoding == COPY_RECT:
                framebuffer.copy(rect, *self._wire.fields(POINT, deadline))
            elif encoding == ZLIB:
                framebuffer.zlib(rect, self._wire, deadline)
            else:
                raise RfbError(f"the RFB server used encoding {encoding}, which was not asked for")
            changed.append(rect)
        return tuple(changed)
