"""WebSocket to RFB: a browser's binary messages to the viewer's byte stream and back. The bytes are not looked at."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from gateway.log import say
from gateway.relay import CHUNK, until_either_ends
from gateway.screens import Screens, ViewerError


async def bridge(browser: ServerConnection, screens: Screens, screen: str, viewer: str) -> None:
    """Carry one connection until either side ends it; both are closed then. Without names, it is the first screen's."""
    peer = browser.remote_address
    try:
        reader, writer = await screens.connect(screen, viewer)
    except ViewerError as error:
        say("web failed", peer=peer, reason=error)
        await browser.close(CloseCode.TRY_AGAIN_LATER, "the viewer does not answer")
        return
    say("web connected", peer=peer, screen=screen)
    try:
        await until_either_ends(_up(browser, writer), _down(reader, browser))
    finally:
        writer.close()
        say("web disconnected", peer=peer)
    await browser.close(CloseCode.GOING_AWAY, "the viewer ended the connection")


async def _up(browser: ServerConnection, writer: asyncio.StreamWriter) -> None:
    try:
        async for message in browser:
            if isinstance(message, str):
                await browser.close(CloseCode.UNSUPPORTED_DATA, "RFB is binary")
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
