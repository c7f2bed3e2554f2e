"""A viewer's own WebSocket, for its own program: with a one-time token, in no other way, and byte for byte."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway, ended, exactly, running

ODD = b"\x82\x05P\0abc"
"""A frame without a mask, as Xpra's client sends them."""


def head_of(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n") and (more := connection.recv(1)):
        head += more
    return head


def viewer(listener: socket.socket) -> None:
    """Takes every WebSocket, and sends every byte back."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                if b"Sec-WebSocket-Protocol: binary" in head_of(connection):
                    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                while data := connection.recv(1 << 16):
                    connection.sendall(data)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    (tmp_path / "page").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "page/xfce.xpra.sock"))
        listener.listen()
        threading.Thread(target=viewer, args=(listener,), daemon=True).start()
        with running(tmp_path, f"--own-pages={tmp_path / 'page'}") as gateway:
            yield gateway
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def opened(gateway: Gateway, path: str, *headers: str) -> Iterator[socket.socket | None]:
    """The connection after its opening; None when it was refused."""
    asked = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{gateway.web}", "Connection: Upgrade", "Upgrade: websocket", *headers]
    asked += [
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: binary",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", gateway.web), timeout=5) as connection:
        connection.sendall("\r\n".join(asked).encode())
        head = head_of(connection)
        assert head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 403 "))
        yield connection if b" 101 " in head.partition(b"\r\n")[0] and b"Sec-WebSocket-Protocol: binary" in head else None


def opens(gateway: Gateway, path: str, *headers: str) -> bool:
    with opened(gateway, path, *headers) as connection:
        return connection is not None


def token(gateway: Gateway) -> str:
    return gateway.action("link").removeprefix("/open?token=")


def test_a_token_opens_it_once(gateway: Gateway) -> None:
    first = token(gateway)
    with opened(gateway, f"/xfce.xpra:{first}") as connection:
        assert connection is not None
        connection.sendall(ODD)
        assert exactly(connection, len(ODD)) == ODD
        much = os.urandom(3 << 20)
        sender = threading.Thread(target=connection.sendall, args=(much,))
        sender.start()
        assert exactly(connection, len(much)) == much
        sender.join()
    assert not opens(gateway, f"/xfce.xpra:{first}")
    assert gateway.get(f"/open?token={first}").status == 403
    assert first not in gateway.said()


def test_without_one_it_stays_closed(gateway: Gateway) -> None:
    for path in ("/xfce.xpra:", "/xfce.xpra", "/xfce.xpra:wrong-wrong-wrong", "/page/xfce.xpra/", "/xfce.xpra:..%2Fsessions"):
        assert not opens(gateway, path)


def test_a_browser_does_not_come_in_so(gateway: Gateway) -> None:
    fresh = token(gateway)
    path = f"/xfce.xpra:{fresh}"
    assert not opens(gateway, path, f"Origin: http://127.0.0.1:{gateway.web}")
    assert gateway.get(path).status == 403
    assert not opens(gateway, f"/xfce.other:{fresh}")
    assert opens(gateway, path)  # none of these used it up


def test_a_viewer_that_is_gone(gateway: Gateway) -> None:
    (gateway.folder / "page/xfce.gone.sock").touch()
    with opened(gateway, f"/xfce.gone:{token(gateway)}") as connection:
        assert connection is not None
        assert ended(connection)
