"""A screen's size, asked for by the page: a text message such as `1600x900` is answered by `ok` or by the reason why not."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.log import say
from gateway.relay import BROKEN

_SIZE = re.compile(r"[1-9][0-9]{2,4}x[1-9][0-9]{2,4}")


async def resize(browser: ServerConnection, socket: Path | None, seconds: float) -> None:
    """Answer until the browser leaves."""
    try:
        async for message in browser:
            await browser.send(await _ask(message, socket, seconds))
    except ConnectionClosed:
        return


async def _ask(size: str | bytes, socket: Path | None, seconds: float) -> str:
    if not isinstance(size, str) or not _SIZE.fullmatch(size):
        return "a size is such as 1600x900"
    if socket is None:
        return "this screen has one size only"
    try:
        answer = await asyncio.wait_for(_line(size, socket), seconds)
    except BROKEN as error:
        answer = ""
        say("resize failed", reason=type(error).__name__)
    return answer or "the screen does not answer"


async def _line(size: str, socket: Path) -> str:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(f"{size}\n".encode())
        return (await reader.readline()).decode(errors="replace").strip()
    finally:
        writer.close()
