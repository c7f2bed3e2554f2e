"""RFB's opening, as a client without a password."""

from __future__ import annotations

import asyncio

from gateway.screens import ViewerError


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Open RFB as a client, up to where ClientInit follows (RFC 6143, 7.1). Raises ViewerError, OSError, EOFError."""
    greeting = await reader.readexactly(12)
    if not greeting.startswith(b"RFB 003.") or not greeting[8:11].isdigit():
        raise ViewerError("the viewer does not speak RFB 3")
    minor = 8 if int(greeting[8:11]) >= 8 else 7 if int(greeting[8:11]) == 7 else 3
    writer.write(b"RFB 003.%03d\n" % minor)
    if minor == 3:
        if int.from_bytes(await reader.readexactly(4)) != 1:
            raise ViewerError("the viewer wants a password")
        return
    kinds = await reader.readexactly((await reader.readexactly(1))[0])
    if 1 not in kinds:
        raise ViewerError("the viewer wants a password")
    writer.write(b"\x01")
    if minor == 8 and int.from_bytes(await reader.readexactly(4)) != 0:
        raise ViewerError("the viewer refuses")
