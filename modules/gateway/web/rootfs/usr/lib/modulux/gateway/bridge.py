"""A browser's WebSocket to a unix socket of the desktop's and back: binary messages here, a stream of bytes there.

RFB and the clipboard are carried so; the bytes are not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from gateway.log import say
from gateway.relay import CHUNK, until_either_ends
from gateway.screens import Connection, ViewerError


async def bridge(browser: ServerConnection, opening: Awaitable[Connection], what: str) -> None:
    """Carry one connection until either side ends it; both are closed then."""
    peer = browser.remote_address
    try:
        reader, writer = await opening
    except (ViewerError, OSError) as error:
        say(f"{what} failed", peer=peer, reason=error)
        await browser.close(CloseCode.TRY_AGAIN_LATER, "nothing answers there")
        return
    say(f"{what} connected", peer=peer)
    try:
        await until_either_ends(_up(browser, writer), _down(reader, browser))
    finally:
        writer.close()
        say(f"{what} disconnected", peer=peer)
    await browser.close(CloseCode.GOING_AWAY, "the other side ended the connection")


async def _up(browser: ServerConnection, writer: asyncio.StreamWriter) -> None:
    try:
        async for message in browser:
            if isinstance(message, str):
                await browser.close(CloseCode.UNSUPPORTED_DATA, "only binary messages are carried")
                return
            writer.write(message)
            await writer.drain()
    except ConnectionClosed:
        return


async def _down(reader: asyncio.StreamReader, browser: ServerConnection) -> None:
    try:
        while data := await reader.read(CHUNK):
            await browser.send(data)
    except ConnectionClosed:
        return
