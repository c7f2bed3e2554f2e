"""The listening side: websockets' server for HTTP and WebSocket, the RFB server beside it, and their limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.bridge import bridge
from gateway.log import say
from gateway.native import native, splice
from gateway.pages import Answer
from gateway.relay import CHUNK, Slots
from gateway.resize import resize
from gateway.settings import Settings
from gateway.sound import sound
from gateway.upstream import PREFIX, fetch, tunnel
from gateway.vnc import VncServer
from gateway.web import WEBSOCKETS, Web

_MOST_SOCKETS = 256  # open HTTP connections of any kind; a page with its scripts opens six at once
_CLOSE = "Connection: close\r\nContent-Length: 0\r\n\r\n"
_NOT_ALLOWED = f"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n{_CLOSE}".encode()


class Connection(ServerConnection):
    """websockets' connection, with an answer to methods other than GET, and a ceiling on how many there are."""

    sockets = Slots(_MOST_SOCKETS)
    begun = False
    received: asyncio.StreamReader
    socket: Path | None = None  # of whoever gets what comes, as it comes

    def hand_over(self, socket: Path) -> None:
        """From the answer to the opening on, what comes is only kept for `splice`, and nothing is sent between."""
        self.socket = socket
        self.ping_interval = None
        self.received = asyncio.StreamReader(limit=CHUNK)
        self.received.set_transport(self.transport)

    def connection_made(self, transport: Any) -> None:
        if self.sockets.full:
            say("web refused", reason="too many sockets")
            transport.abort()
        self.sockets.used += 1
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.sockets.used -= 1
        if self.socket is not None:
            self.received.feed_eof()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.socket is not None:
            self.received.feed_data(data)
            return
        if not self.begun:
            self.begun = True
            if not data.startswith(b"GET ") and not b"GET ".startswith(data):
                self.transport.write(_NOT_ALLOWED)
                self.transport.close()
                return
        super().data_received(data)


class Gateway:
    """Everything that listens."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.web = Web(settings)
        self.vnc = VncServer(settings)
        self.slots = {path: Slots(settings.connections) for path in (*WEBSOCKETS, PREFIX)}

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when a port cannot be had."""
        settings = self.settings
        quiet = logging.getLogger("gateway.websockets")
        quiet.setLevel(logging.CRITICAL + 1)  # it would log a traceback for each client that sends rubbish
        async with (
            serve(
                self._serve,
                settings.listen,
                settings.web_port,
                process_request=self._judge,
                create_connection=Connection,
                compression=None,
                server_header=None,
                open_timeout=settings.timeout,
                close_timeout=settings.timeout,
                select_subprotocol=_subprotocol,
                max_size=settings.message_size,
                write_limit=2 * CHUNK,
                logger=quiet,
            ) as web,
            await self.vnc.start() as vnc,
        ):
            ports = {name: server.sockets[0].getsockname()[1] for name, server in (("web", web), ("vnc", vnc))}
            say("listening", **ports)
            await asyncio.gather(web.serve_forever(), vnc.serve_forever())

    async def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        try:
            answer = self.web.answer(request.path, request.headers)
        except ValueError:  # a target that is no URL
            answer = Answer(400)
        except OSError as error:
            say("web failed", reason=error)
            answer = Answer(500)
        parts = urlsplit(request.path)
        if answer is not None and answer.status == 404 and parts.path.startswith(PREFIX):
            answer = await self._own_page(parts)
        if answer is None and self._slots(parts.path).full:
            say("web refused", reason="too many connections", peer=connection.remote_address)
            answer = Answer(503)
        if answer is None and (program := native(parts.path)) and (socket := self.web.screens.page(program[0])):
            assert isinstance(connection, Connection)
            connection.hand_over(socket)
        return None if answer is None else _response(answer)

    def _slots(self, path: str) -> Slots:
        return self.slots.get(path, self.slots[PREFIX])

    async def _own_page(self, parts: SplitResult) -> Answer:
        """A file of a viewer's own page; the name alone leads to its first one."""
        name, slash, rest = parts.path.removeprefix(PREFIX).partition("/")
        socket = self.web.screens.page(name)
        if socket is None:
            return Answer(404, b"There is nothing here.\n")
        if not slash:
            return Answer(303, Location=f"{PREFIX}{name}/")
        query = f"?{parts.query}" if parts.query else ""
        return await fetch(socket, f"/{rest}{query}", self.settings.timeout)

    async def _own_tunnel(self, connection: ServerConnection, path: str) -> None:
        name, _, rest = path.removeprefix(PREFIX).partition("/")
        socket = self.web.screens.page(name)
        if socket is None:
            await connection.close(CloseCode.TRY_AGAIN_LATER, "nothing answers there")
        else:
            await tunnel(connection, socket, f"/{rest}")

    async def _serve(self, connection: ServerConnection) -> None:
        """One WebSocket, from its opening to its end."""
        parts = _target(connection)
        query = parse_qs(parts.query)
        screen, viewer = (query.get(name, [""])[0] for name in ("screen", "viewer"))
        screens = self.web.screens
        with self._slots(parts.path):
            if isinstance(connection, Connection) and connection.socket is not None:
                await splice(connection, connection.socket)
                return
            match parts.path:
                case path if path.startswith(PREFIX):
                    await self._own_tunnel(connection, path)
                case "/sound":
                    await sound(connection, self.settings.sound)
                case "/clipboard":
                    await bridge(connection, screens.clipboard(screen), "clipboard")
                case "/resize":
                    await resize(connection, screens.beside(self.settings.resize, screen), self.settings.timeout)
                case _:
                    await bridge(connection, screens.connect(screen, viewer), "web")


def _subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """What a browser offers first: only the pages of viewers offer one, and theirs decide."""
    return offered[0] if offered else None


def _target(connection: ServerConnection) -> SplitResult:
    return urlsplit(connection.request.path if connection.request else "")


def _response(answer: Answer) -> Response:
    headers = Headers(answer.headers)
    headers["Connection"] = "close"
    headers["Content-Length"] = str(len(answer.body))
    return Response(answer.status, HTTPStatus(answer.status).phrase, headers, answer.body)


def run(settings: Settings) -> int:
    """Serve until a signal ends the process; returns an exit status when the ports cannot be had."""
    try:
        asyncio.run(Gateway(settings).run())
    except OSError as error:
        say("cannot start", reason=error)
        return 1
    return 0
