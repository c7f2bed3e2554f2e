"""RFB's messages (RFC 6143 and what the community's protocol text adds), as far as one must know them to find their ends."""

from __future__ import annotations

import struct
from collections.abc import Callable

from gateway.areas import AREAS, BUTTONS, LAST, WISHES, Pixels, number
from gateway.messages import EDGE, Grammar, LostError, Passing

CLIPBOARD = 0xC0A1E5CE - (1 << 32)
"""The extended clipboard, as an encoding that a client asks for."""

_AREA = struct.Struct(">4xHHi")


class Session:
    """Both directions of one client's connection, from ClientInit on; each must know something of the other.

    Args:
        said: told each clipboard message of the client's: its size as it stands in the message, and what follows it.
        asked: told whether the client asks for the extended clipboard, each time that it asks for encodings.
        most: bytes of a clipboard message that is looked at; of a larger one nothing follows its size.
    """

    def __init__(self, said: Callable[[int, bytes], None], asked: Callable[[bool], None], most: int) -> None:
        self.client = Passing()
        self.viewer = Passing()
        self._said, self._asked, self._most = said, asked, most
        self._pixels: Pixels | None = None
        self._next: Pixels | None = None  # what the client asked for, as soon as the viewer has come so far
        self._in_update = False
        self._unasked = self._stopping = False  # whether updates come by themselves; or are to end
        self._more_buttons = False
        self._kinds: dict[int, Callable[[], Grammar]] = {
            0: self._format,
            2: self._encodings,
            3: lambda: _skip(9),  # a picture is asked for
            4: lambda: _skip(7),  # a key
            5: self._pointer,
            6: self._clipboard,
            150: self._continuous,
            248: _fence,
            250: lambda: _skip(3),  # the machine is to be shut down
            251: _set_size,
            255: _key_with_code,
        }
        self.client.follow(self._from_client())
        self.viewer.follow(self._from_viewer())

    # What the client says

    def _from_client(self) -> Grammar:
        yield 1  # ClientInit
        while True:
            yield EDGE
            kind = (yield 1)[0]
            if kind not in self._kinds:
                raise LostError(f"a client's message of kind {kind}")
            yield from self._kinds[kind]()

    def _format(self) -> Grammar:
        """The client changes the format once it has the update that is under way, or, if they come unasked, when these stop."""
        pixels = Pixels((yield 19)[3:])
        if self._in_update or self._unasked or self._stopping:
            self._next = pixels
        else:
            self._pixels, self._next = pixels, None

    def _encodings(self) -> Grammar:
        self.client.drop = True
        count = int.from_bytes((yield 3)[1:])
        wanted = struct.unpack(f">{count}i", (yield 4 * count) if count else b"")
        kept = [encoding for encoding in wanted if encoding in AREAS or encoding in WISHES]
        self.client.put(struct.pack(f">BxH{len(kept)}i", 2, len(kept), *kept))
        self._asked(CLIPBOARD in wanted)

    def _pointer(self) -> Grammar:
        yield -5 if (yield 1)[0] & 0x80 and self._more_buttons else -4

    def _clipboard(self) -> Grammar:
        self.client.drop = True
        size = int.from_bytes((yield 7)[3:], signed=True)
        if abs(size) > self._most:
            yield -abs(size)
            self._said(size, b"")
        else:
            self._said(size, (yield abs(size)) if size else b"")

    def _continuous(self) -> Grammar:
        unasked = bool((yield 9)[0])
        self._stopping = self._stopping or (self._unasked and not unasked)
        self._unasked = unasked

    # What the viewer says

    def _from_viewer(self) -> Grammar:
        begin = yield 24  # ServerInit
        if self._pixels is None:  # a client need not wait for it
            self._pixels = Pixels(begin[4:20])
        yield -number(begin[20:])
        while True:
            yield EDGE
            kind = (yield 1)[0]
            if kind == 0:
                yield from self._update()
            elif kind == 1:  # colours
                yield -6 * int.from_bytes((yield 5)[3:])
            elif kind == 3:
                self.viewer.drop = True
                yield -abs(int.from_bytes((yield 7)[3:], signed=True))
            elif kind == 150:  # updates that come by themselves can be had, or end here
                self._stopping = False
                self._settle()
            elif kind == 248:
                yield from _fence()
            elif kind != 2:  # the bell
                raise LostError(f"a viewer's message of kind {kind}")

    def _settle(self) -> None:
        if self._next is not None:
            self._pixels, self._next = self._next, None

    def _update(self) -> Grammar:
        self._in_update = True
        assert self._pixels is not None
        for _ in range(int.from_bytes((yield 3)[1:])):
            width, height, encoding = _AREA.unpack((yield 12))
            if encoding == LAST:
                break
            if encoding not in AREAS:
                raise LostError(f"an area in encoding {encoding}")
            self._more_buttons = self._more_buttons or encoding == BUTTONS
            yield from AREAS[encoding](width, height, self._pixels)
        self._in_update = False
        if not (self._unasked or self._stopping):
            self._settle()


def _skip(count: int) -> Grammar:
    yield -count


def _fence() -> Grammar:
    yield -(yield 8)[7]


def _set_size() -> Grammar:
    yield -16 * (yield 7)[5]


def _key_with_code() -> Grammar:
    if (yield 1)[0] != 0:
        raise LostError("a message of QEMU's that is not a key")
    yield -10
