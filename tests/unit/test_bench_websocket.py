"""The WebSocket that bench measures the gateway with, against a server made by another hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from tests.support.rfb_script import init, rect, update
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from modulux.bench.websocket import open_gateway
from modulux.errors import RfbError
from modulux.rfb import Client

FRAME = update(rect(0, 0, 320, 240, 0, bytes(range(256)) * 1200))
KEYS: list[bytes] = []


def judge(connection: ServerConnection, request: Request) -> Response | None:
    """As the gateway does: the link gives a cookie, and only with it the WebSocket opens."""
    if request.path == "/open?token=once":
        return Response(
            303, "See Other", Headers({"Location": "/", "Set-Cookie": "s=1; Path=/; HttpOnly", "Content-Length": "0"})
        )
    if request.path != "/rfb" or request.headers.get("Cookie") != "s=1":
        return connection.respond(HTTPStatus.FORBIDDEN, "no\n")
    if request.headers.get("Origin") != f"http://{request.headers['Host']}":
        return connection.respond(HTTPStatus.FORBIDDEN, "no\n")
    return None


def desktop(connection: ServerConnection) -> None:
    data = init(320, 240) + FRAME
    connection.send(data[:5])
    connection.ping()
    connection.send(b"")
    connection.send([data[5:30], data[30:70_000], data[70_000:]])  # one message in three fragments
    while True:
        message = connection.recv()
        assert isinstance(message, bytes)
        KEYS.append(message)
        if message[0] == 4:
            connection.close(1001, "the viewer ended")
            return


@pytest.fixture
def port() -> Iterator[int]:
    KEYS.clear()
    server: Server = serve(desktop, "127.0.0.1", 0, process_request=judge, compression=None)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.socket.getsockname()[1]
    server.shutdown()
    thread.join(5)


def test_rfb_through_a_websocket(port: int) -> None:
    with Client(open_gateway(f"http://127.0.0.1:{port}/open?token=once"), timeout=5) as client:
        assert client.frame(timeout=5).colours() == 64
        client.send_cut_text("x" * 70_000)
        client.key(0x61, True)
        with pytest.raises(RfbError, match="closed the WebSocket: the viewer ended"):
            client.frame(timeout=5)
    assert KEYS[-2][:8] == bytes([6, 0, 0, 0, 0, 1, 0x11, 0x70])
    assert len(KEYS[-2]) == 70_008
    assert KEYS[-1] == bytes([4, 1, 0, 0, 0, 0, 0, 0x61])


def test_a_link_that_is_used_up_is_refused(port: int) -> None:
    with pytest.raises(RfbError, match="did not take the link"):
        open_gateway(f"http://127.0.0.1:{port}/open?token=twice")
