"""RFB through the gateway's WebSocket, as a browser would: a one-time link, its cookie, binary messages. For the bench only."""

from __future__ import annotations

import base64
import os
import struct
import time
from urllib.parse import urlsplit

from modulux.errors import RfbError
from modulux.rfb import FdStream, open_tcp
from modulux.rfb.wire import Wire

BINARY, CLOSE, PING, PONG = 0x2, 0x8, 0x9, 0xA
MAX_HEAD = 16384  # bytes of an HTTP answer's head


class WebSocketStream:
    """The payload of a WebSocket's binary messages as one stream of bytes."""

    def __init__(self, stream: FdStream) -> None:
        self._stream = stream
        self._wire = Wire(stream)
        self._left = 0  # payload bytes of the message under way

    def receive(self, view: memoryview, deadline: float) -> int:
        while self._left == 0:
            self._left = self._header(deadline)
        count = self._wire.some(view[: self._left], deadline)
        self._left -= count
        return count

    def send(self, data: bytes, deadline: float) -> None:
        self._frame(BINARY, data, deadline)

    def close(self) -> None:
        self._stream.close()

    def _header(self, deadline: float) -> int:
        """Read up to the next data frame; how many bytes of payload it has."""
        first, second = self._wire.read(2, deadline)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(self._wire.read(2, deadline), "big")
        elif length == 127:
            length = int.from_bytes(self._wire.read(8, deadline), "big")
        kind = first & 0xF
        if kind < CLOSE:
            return length
        payload = bytes(self._wire.read(min(length, 125), deadline))
        if kind == PING:
            self._frame(PONG, payload, deadline)
        elif kind == CLOSE:
            raise RfbError(f"the gateway closed the WebSocket: {payload[2:].decode(errors='replace') or 'without a reason'}")
        return 0

    def _frame(self, kind: int, data: bytes, deadline: float) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", 0x80 | kind, 0x80 | size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | kind, 0xFE, size)
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 0xFF, size)
        # The mask is there against proxies that look for HTTP in what browsers send; all zeros leaves the data as it is.
        self._stream.send(head + bytes(4) + data, deadline)


def open_gateway(link: str, timeout: float = 10.0) -> WebSocketStream:
    """Take the one-time link, and open the WebSocket with the cookie that it gives.

    Raises:
        RfbError: the gateway refused.
    """
    parts = urlsplit(link)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    where = f"Host: {parts.netloc}\r\n"
    with open_tcp(host, port, timeout) as stream:
        head = _ask(Wire(stream), stream, f"GET {parts.path}?{parts.query} HTTP/1.1\r\n{where}\r\n", timeout)
    cookie = next(
        (line.split(":", 1)[1].split(";")[0].strip() for line in head if line.lower().startswith("set-cookie:")), None
    )
    if cookie is None:
        raise RfbError(f"the gateway did not take the link: {head[0]}")
    stream = open_tcp(host, port, timeout)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = (
        f"GET /rfb HTTP/1.1\r\n{where}Origin: http://{parts.netloc}\r\nCookie: {cookie}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    made = WebSocketStream(stream)
    try:
        head = _ask(made._wire, stream, upgrade, timeout)  # noqa: SLF001 - what comes after the head is the stream's
    except BaseException:
        stream.close()
        raise
    if " 101 " not in head[0]:
        stream.close()
        raise RfbError(f"the gateway did not open the WebSocket: {head[0]}")
    return made


def _ask(wire: Wire, stream: FdStream, request: str, timeout: float) -> list[str]:
    """Send an HTTP request; the lines of the answer's head."""
    deadline = time.monotonic() + timeout
    stream.send(request.encode(), deadline)
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        head += wire.read(1, deadline)
        if len(head) > MAX_HEAD:
            raise RfbError("the gateway's answer is not HTTP")
    return head.decode("latin-1").splitlines()
