"""A viewer's own WebSocket, for its own program: with a one-time token, and in no other way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway, running
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, unix_serve
from websockets.typing import Origin, Subprotocol


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    pages = tmp_path / "page"
    pages.mkdir()

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with unix_serve(echo, str(pages / "xfce.xpra.sock"), subprotocols=[Subprotocol("binary")]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with running(tmp_path, f"--own-pages={pages}") as gateway:
            yield gateway
        server.shutdown()


def token(gateway: Gateway) -> str:
    return gateway.action("link").removeprefix("/open?token=")


def opens(gateway: Gateway, path: str, origin: str | None = None) -> bool:
    """Whether the WebSocket opens, and carries bytes both ways."""
    try:
        address = f"ws://127.0.0.1:{gateway.web}{path}"
        with connect(address, origin=origin and Origin(origin), subprotocols=[Subprotocol("binary")]) as client:
            assert client.subprotocol == "binary"
            client.send(b"P\0hello")
            return client.recv(5) == b"P\0hello"
    except InvalidStatus as error:
        return error.response.status_code != 403


def test_a_token_opens_it_once(gateway: Gateway) -> None:
    first = token(gateway)
    assert opens(gateway, f"/xfce.xpra:{first}")
    assert not opens(gateway, f"/xfce.xpra:{first}")
    assert gateway.get(f"/open?token={first}").status == 403
    assert first not in gateway.said()


def test_without_one_it_stays_closed(gateway: Gateway) -> None:
    for path in ("/xfce.xpra:", "/xfce.xpra", "/xfce.xpra:wrong-wrong-wrong", "/page/xfce.xpra/", "/xfce.xpra:..%2Fsessions"):
        assert not opens(gateway, path)


def test_a_browser_does_not_come_in_so(gateway: Gateway) -> None:
    fresh = token(gateway)
    path = f"/xfce.xpra:{fresh}"
    assert not opens(gateway, path, f"http://127.0.0.1:{gateway.web}")
    assert gateway.get(path).status == 403
    assert not opens(gateway, f"/xfce.other:{fresh}")
    assert opens(gateway, path)  # none of these used it up
