"""The clipboard of VNC clients: between RFB, plain or extended, and the screen's clipboard service.

The viewer hears and says nothing of it: it may know Latin-1 alone, or lose large texts, and two who speak would fight.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway import extended
from gateway.extended import CAPS, NOTIFY, PEEK, PROVIDE, REQUEST, TEXT, BadMessageError
from gateway.log import say
from gateway.relay import BROKEN, CHUNK, until_either_ends
from gateway.rfb import Session
from gateway.screens import Connection, ViewerError

MOST = 4 << 20
"""Bytes of a text that is passed on; each client's latest is kept here."""

_GREETING = 2.0  # seconds in which the service says what had been copied before: not news, so not for the client's computer
_BELL = b"\x02"  # all that RFB has to tell a person that something was not done
_AGAIN = 1.0  # seconds until the service is looked for again


class CutText:
    """One client's clipboard.

    Args:
        opening: connects to the service.
        view_only: whether the client may only look: then no text goes in.
    """

    def __init__(self, client: Connection, viewer: Connection, opening: Callable[[], Awaitable[Connection]], view_only: bool):
        self.client, self.viewer, self.opening, self.view_only = client, viewer, opening, view_only
        self.peer = client[1].get_extra_info("peername")
        self.session = Session(self._said, self._asked, 2 * MOST + (1 << 16))
        self.service: asyncio.StreamWriter | None = None
        self.text: bytes | None = None
        self.extended = False
        self.can = extended.ALL  # what the client understands, until it says so itself
        self.unasked = 0  # bytes that it takes without having asked

    async def carry(self) -> None:
        """Carry everything until either side ends it."""
        await until_either_ends(self._up(), self._down(), self._follow())

    async def _up(self) -> None:
        passing, writer = self.session.client, self.viewer[1]
        while data := await self.client[0].read(CHUNK):
            writer.write(passing.feed(data))
            self._look(passing.lost)
            await writer.drain()
            if self.service is not None:
                await self._drained(self.service)

    async def _down(self) -> None:
        passing, writer = self.session.viewer, self.client[1]
        while data := await self.viewer[0].read(CHUNK):
            writer.write(passing.feed(data))
            self._look(passing.lost)
            await writer.drain()

    async def _drained(self, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.drain()
        except OSError:
            self.service = None

    def _look(self, lost: str) -> None:
        """Say once that a stream is not understood; it is carried all the same."""
        if lost and self.can:
            self.can, self.extended = 0, False
            say("vnc clipboard given up", peer=self.peer, reason=lost)

    # The service

    async def _follow(self) -> None:
        """Listen to the service; one that is started again is found again."""
        while True:
            try:
                reader, writer = await self.opening()
            except (ViewerError, OSError):
                await asyncio.sleep(_AGAIN)
                continue
            self.service = writer
            try:
                await self._listen(reader)
            except BROKEN:
                pass
            finally:
                self.service = None
                writer.close()
            await asyncio.sleep(_AGAIN)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        began = time.monotonic()
        first = True
        while True:
            size = int.from_bytes(await reader.readexactly(4))
            if size > MOST + 1:
                await self._pass_over(reader, size)
                self._refuse(f"what was copied on the desktop is larger than {MOST >> 20} MB")
                continue
            data = await reader.readexactly(size)
            if data[:1] == b"e":
                self._refuse(data[1:].decode("utf-8", "replace"))
            elif data[:1] == b"t":
                self.text = data[1:]
                if not first or time.monotonic() > began + _GREETING:
                    self._announce()
            first = False

    async def _pass_over(self, reader: asyncio.StreamReader, size: int) -> None:
        while size > 0:
            size -= len(await reader.readexactly(min(size, CHUNK)))

    def _refuse(self, reason: str) -> None:
        say("vnc clipboard refused", peer=self.peer, reason=reason)
        self._tell(_BELL)

    # To the client

    def _tell(self, message: bytes) -> None:
        """Put a message into the viewer's stream, as soon as it is between two."""
        passing = self.session.viewer
        if passing.between:
            self.client[1].write(message)
        elif not passing.lost:
            passing.put(message)

    def _announce(self) -> None:
        text = self.text or b""
        if not self.extended:
            data = text.decode("utf-8", "replace").encode("latin-1", "replace")
            self._tell(b"\x03\0\0\0" + len(data).to_bytes(4) + data)
        elif self.can & PROVIDE and (0 < len(text) < self.unasked or not self.can & NOTIFY):
            self._tell(extended.provide(text))
        elif self.can & NOTIFY:
            self._tell(extended.message(NOTIFY | (TEXT if text else 0)))

    # From the client

    def _asked(self, extended_too: bool) -> None:
        if extended_too and not self.extended:
            self._tell(extended.capabilities(MOST))
        self.extended = extended_too

    def _said(self, size: int, data: bytes) -> None:
        if size and not data:
            self._refuse(f"a text larger than {MOST >> 20} MB")
        elif size >= 0:
            self._take(_plain(data))
        elif len(data) >= 4:
            self._extended(int.from_bytes(data[:4]), data[4:])

    def _extended(self, flags: int, body: bytes) -> None:
        if flags & CAPS:
            self.can = flags & extended.ALL
            self.unasked = extended.limits(flags, body).get(TEXT, 0)
        elif flags & REQUEST and flags & TEXT and self.text is not None:
            self._tell(extended.provide(self.text))
        elif flags & PEEK:
            self._tell(extended.message(NOTIFY | (TEXT if self.text else 0)))
        elif flags & NOTIFY and flags & TEXT:
            self._tell(extended.message(REQUEST | TEXT))
        elif flags & PROVIDE and flags & TEXT:
            try:
                self._take(extended.provided(body, MOST))
            except BadMessageError as error:
                self._refuse(f"a text of the client's {error}")

    def _take(self, text: bytes) -> None:
        """Give a text to the desktop."""
        if self.view_only or not text:
            return
        if self.service is None:
            self._refuse("the desktop's clipboard is not there")
        elif len(text) > MOST:
            self._refuse(f"a text larger than {MOST >> 20} MB")
        else:
            self.text = text
            self.service.write((len(text) + 1).to_bytes(4) + b"t" + text)


def _plain(data: bytes) -> bytes:
    """A text of plain RFB as UTF-8. Latin-1 by the book; but some clients send UTF-8, which no sensible Latin-1 looks like."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1").encode()
    return data
