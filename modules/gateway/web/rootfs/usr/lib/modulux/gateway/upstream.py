"""Viewers with a web page of their own (interface `page`), such as Xpra's: shown below /page/SCREEN.VIEWER/.

A GET is asked of the viewer's unix socket by HTTP/1.0, so that the answer ends with its connection. A WebSocket is opened
there as a client, and messages are carried both ways. The page's scripts come from a module of the desktop, not from a
stranger; still they get headers of their own, and never the gateway's cookie.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from gateway.log import say
from gateway.pages import Answer
from gateway.relay import BROKEN, CHUNK, until_either_ends

PREFIX = "/page/"
LIMIT = 32 << 20
"""The most that one answer of a viewer's page may hold, in bytes."""

_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def fetch(socket: Path, target: str, seconds: float) -> Answer:
    """What the viewer answers to GET `target`: 502 when it does not, or answers with something else than HTTP."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(socket, limit=CHUNK)
            try:
                writer.write(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("ascii"))
                head = await reader.readuntil(b"\r\n\r\n")
                body = await _rest(reader)
            finally:
                writer.close()
    except (*BROKEN, UnicodeError, TimeoutError, asyncio.LimitOverrunError) as error:
        say("page failed", reason=error or type(error).__name__)
        return Answer(502, b"The viewer's page does not answer.\n")
    return _answer(head.decode("latin-1").split("\r\n"), body)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while data := await reader.read(CHUNK):
        parts.append(data)
        if len(parts) * CHUNK > LIMIT and sum(map(len, parts)) > LIMIT:
            raise EOFError("more than a page may hold")
    return b"".join(parts)


def _answer(lines: list[str], body: bytes) -> Answer:
    words = lines[0].split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdigit() else 502
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    answer = Answer(status if 200 <= status < 600 else 502, body, Content_Security_Policy=_POLICY)
    answer.headers["Content-Type"] = headers.get("content-type", "application/octet-stream")
    if "content-encoding" in headers:
        answer.headers["Content-Encoding"] = headers["content-encoding"]
    return answer


async def tunnel(browser: ServerConnection, socket: Path, target: str) -> None:
    """Carry a WebSocket to the viewer's and back until either side ends it; both are closed then."""
    peer = browser.remote_address
    protocols = [browser.subprotocol] if browser.subprotocol else None
    try:
        upstream = await _Upstream.open(socket, target, protocols)
    except (*BROKEN, ValueError) as error:
        say("page failed", peer=peer, reason=error)
        await browser.close(CloseCode.TRY_AGAIN_LATER, "nothing answers there")
        return
    say("page connected", peer=peer)
    try:
        await until_either_ends(upstream.send_from(browser), upstream.pass_to(browser))
    finally:
        upstream.writer.close()
        say("page disconnected", peer=peer)
    await browser.close(CloseCode.GOING_AWAY, "the other side ended the connection")


class _Upstream:
    """A WebSocket client on a unix socket; the protocol is websockets' own, without its network."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol = protocol

    @classmethod
    async def open(cls, socket: Path, target: str, protocols: list[Subprotocol] | None) -> _Upstream:
        """Connect and shake hands. Raises OSError, EOFError, ValueError when the viewer refuses."""
        reader, writer = await asyncio.open_unix_connection(socket, limit=CHUNK)
        protocol = ClientProtocol(parse_uri(f"ws://localhost{target}"), subprotocols=protocols, max_size=LIMIT)
        upstream = cls(reader, writer, protocol)
        protocol.send_request(protocol.connect())
        upstream._flush()
        while protocol.state is State.CONNECTING:
            data = await reader.read(CHUNK)
            if not data:
                raise EOFError("the viewer ended the connection")
            protocol.receive_data(data)
            if protocol.handshake_exc is not None:
                writer.close()
                raise ValueError(str(protocol.handshake_exc))
        return upstream

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.writer.write(data)

    async def send_from(self, browser: ServerConnection) -> None:
        try:
            async for message in browser:
                if isinstance(message, str):
                    self.protocol.send_text(message.encode())
                else:
                    self.protocol.send_binary(message)
                self._flush()
                await self.writer.drain()
        except ConnectionClosed:
            return

    async def pass_to(self, browser: ServerConnection) -> None:
        parts: list[bytes] = []
        text = False
        try:
            while True:
                for event in self.protocol.events_received():
                    if isinstance(event, Response) or not isinstance(event, Frame):
                        continue
                    if event.opcode is Opcode.CLOSE:
                        return
                    if event.opcode in (Opcode.TEXT, Opcode.BINARY):
                        parts, text = [], event.opcode is Opcode.TEXT
                    elif event.opcode is not Opcode.CONT:
                        continue
                    parts.append(bytes(event.data))
                    if event.fin:
                        whole = b"".join(parts)
                        await browser.send(whole.decode() if text else whole)
                self._flush()
                data = await self.reader.read(CHUNK)
                if not data:
                    return
                self.protocol.receive_data(data)
        except ConnectionClosed:
            return
