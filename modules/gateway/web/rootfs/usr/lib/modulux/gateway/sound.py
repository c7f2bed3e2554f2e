"""What the desktop plays, to a browser: each Opus packet is one binary message."""

from __future__ import annotations

import asyncio
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from gateway.log import say
from gateway.relay import until_either_ends

_STALE = 1 << 13  # bytes that wait for a slow browser, about half a second; what comes then is dropped: late sound is no use


async def sound(browser: ServerConnection, socket: Path) -> None:
    """Carry packets until either side ends it."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError as error:
        say("sound failed", peer=browser.remote_address, reason=error)
        await browser.close(CloseCode.TRY_AGAIN_LATER, "there is no sound")
        return
    try:
        await until_either_ends(_packets(reader, browser), browser.wait_closed())
    finally:
        writer.close()
    await browser.close(CloseCode.GOING_AWAY, "the sound ended")


async def _packets(reader: asyncio.StreamReader, browser: ServerConnection) -> None:
    try:
        while True:
            packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            if browser.transport.get_write_buffer_size() < _STALE:
                await browser.send(packet)
    except (ConnectionClosed, asyncio.IncompleteReadError):
        return
