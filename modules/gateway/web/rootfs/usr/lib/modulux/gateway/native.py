"""A program of the page's own, such as Xpra's client: its WebSocket, byte for byte, to the viewer's socket.

Such a program has no cookie and can name no path of several parts. It asks for /SCREEN.VIEWER:TOKEN, with the token of a
one-time link. After the opening nothing here looks into what it sends: Xpra's client masks no frames, as RFC 6455 (5.1) wants
clients to, and the viewer takes them either way.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
from pathlib import Path
from typing import Protocol

from gateway.log import say
from gateway.relay import BROKEN, CHUNK, pump, until_either_ends

_PATH = re.compile(r"/([a-z0-9.-]+):([A-Za-z0-9_-]+)")


class Program(Protocol):
    """The connection, once it has been handed over."""

    transport: asyncio.Transport
    received: asyncio.StreamReader

    async def drain(self) -> None: ...


def native(path: str) -> tuple[str, str] | None:
    """The viewer and the token that such a program names; None for other paths."""
    found = _PATH.fullmatch(path)
    return None if found is None else (found[1], found[2])


async def splice(program: Program, socket: Path) -> None:
    """Carry until either side ends it; both are closed then."""
    peer = program.transport.get_extra_info("peername")
    try:
        reader, writer = await _open(socket)
    except (*BROKEN, ValueError, asyncio.LimitOverrunError) as error:
        say("page failed", peer=peer, reason=error)
        program.transport.close()
        return
    say("page connected", peer=peer)
    try:
        await until_either_ends(pump(program.received, writer), _down(reader, program))
    finally:
        writer.close()
        program.transport.close()
        say("page disconnected", peer=peer)


async def _open(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket to the viewer, opened; raises OSError, EOFError or ValueError when the viewer refuses."""
    reader, writer = await asyncio.open_unix_connection(socket, limit=CHUNK)
    key = base64.b64encode(os.urandom(16))
    writer.write(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(None, 2)[1:2] != [b"101"]:
            raise ValueError("the viewer opens no WebSocket")
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _down(reader: asyncio.StreamReader, program: Program) -> None:
    while data := await reader.read(CHUNK):
        program.transport.write(data)
        await program.drain()
