"""The clipboard of VNC clients: the gateway speaks to them and to the screen's clipboard service."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import FIRST, LIBRARY, Gateway, exactly
from tests.support.rfb_messages import (
    CAPS,
    EXTENDED,
    INIT,
    NOTIFY,
    PEEK,
    PROVIDE,
    REQUEST,
    TEXT,
    area,
    counted,
    cut,
    update,
)

sys.dont_write_bytecode = True  # nothing may be left behind in the module's folder: its hash is the image's tag
sys.path.insert(0, str(LIBRARY))
response = importlib.import_module("gateway.vncauth").response


class Viewer:
    """An RFB server that shows nothing, and keeps what it is told."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.heard = b""
        self.client: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                for said, wanted in ((b"RFB 003.008\n", 12), (b"\x01\x01", 1), (bytes(4), 1)):
                    client.sendall(said)
                    exactly(client, wanted)
                client.sendall(INIT)
                self.client = client
                while data := client.recv(1 << 16):
                    self.heard += data

    def close(self) -> None:
        for one in (self.listener, self.client):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()


class Service:
    """The screen's clipboard service."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.settimeout(10)
        self.line: socket.socket | None = None

    def accept(self, greeting: str = "what was there before") -> None:
        self.line = self.listener.accept()[0]
        self.line.settimeout(10)
        self.say(greeting)

    def say(self, text: str, kind: bytes = b"t") -> None:
        assert self.line
        self.line.sendall(counted(kind + text.encode()))

    def hear(self) -> str:
        assert self.line
        data = exactly(self.line, int.from_bytes(exactly(self.line, 4)))
        assert data[:1] == b"t"
        return data[1:].decode()

    def close(self) -> None:
        self.listener.close()
        if self.line:
            self.line.close()


class Client:
    """A VNC client that has been let in."""

    def __init__(self, gateway: Gateway, *encodings: int) -> None:
        self.line = gateway.dial()
        self.line.settimeout(10)
        password = gateway.action("vnc-password")
        exactly(self.line, 12)
        self.line.sendall(b"RFB 003.008\n")
        exactly(self.line, 2)
        self.line.sendall(b"\x02")
        self.line.sendall(response(password, exactly(self.line, 16)))
        assert exactly(self.line, 4) == bytes(4)
        self.line.sendall(b"\x01" + struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
        assert exactly(self.line, len(INIT)) == INIT

    def message(self) -> tuple[int, bytes]:
        """The next clipboard message: flags (0 for plain RFB) and the rest."""
        kind, size = struct.unpack(">B3xi", exactly(self.line, 8))
        assert kind == 3
        data = exactly(self.line, abs(size))
        return (int.from_bytes(data[:4]), data[4:]) if size < 0 else (0, data)

    def say(self, flags: int, body: bytes = b"") -> None:
        self.line.sendall(cut(struct.pack(">I", flags) + body, -4 - len(body), kind=6))

    def text(self, text: str) -> None:
        lines = text.replace("\n", "\r\n").encode() + b"\0"
        self.say(PROVIDE | 1, zlib.compress(counted(lines)))


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Viewer]:
    one = Viewer(tmp_path / FIRST)
    yield one
    one.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service(tmp_path / "clipboard/xfce.sock")
    yield one
    one.close()


@pytest.fixture
def gateway(tmp_path: Path, viewer: Viewer, service: Service) -> Iterator[Gateway]:
    one = Gateway(tmp_path, f"--clipboard={tmp_path / 'clipboard'}")
    yield one
    one.close()
    assert "Traceback" not in one.said()


@pytest.fixture
def client(gateway: Gateway, service: Service) -> Iterator[Client]:
    """One that knows the extended clipboard, and has told what it can."""
    one = Client(gateway, 7, EXTENDED)
    service.accept()
    flags, body = one.message()
    assert flags & CAPS
    assert flags & 1
    assert int.from_bytes(body) >= 1 << 20  # that much may come without being asked for
    one.say(CAPS | REQUEST | PEEK | NOTIFY | PROVIDE | 1, bytes(4))
    yield one
    one.line.close()


def unpacked(body: bytes) -> str:
    data = zlib.decompress(body)
    assert int.from_bytes(data[:4]) == len(data) - 4
    assert data.endswith(b"\0")
    return data[4:-1].decode().replace("\r\n", "\n")


@pytest.mark.parametrize("text", [TEXT, TEXT * 20_000], ids=["short", "large"])
def test_both_ways(client: Client, service: Service, viewer: Viewer, text: str) -> None:
    client.text(text)
    assert service.hear() == text
    service.say(text + "!")
    assert client.message() == (NOTIFY | 1, b"")  # the greeting before it was not news
    client.say(REQUEST | 1)
    flags, body = client.message()
    assert flags == PROVIDE | 1
    assert unpacked(body) == text + "!"
    client.say(NOTIFY | 1)
    assert client.message() == (REQUEST | 1, b"")
    client.text("asked for")
    assert service.hear() == "asked for"
    service.say("")
    assert client.message() == (NOTIFY, b"")
    assert viewer.heard == struct.pack(">BxHi", 2, 1, 7)  # nothing of it, and not that the client knows more


def test_it_waits_for_the_end_of_a_picture(client: Client, service: Service, viewer: Viewer) -> None:
    picture = update(area(10, 10, 0, bytes(400)))
    assert viewer.client
    viewer.client.sendall(picture[:100])
    assert exactly(client.line, 100) == picture[:100]
    service.say(TEXT)
    time.sleep(0.3)
    viewer.client.sendall(cut(b"the viewer's own").join([picture[100:], picture]))
    assert exactly(client.line, 316) == picture[100:]
    assert client.message() == (NOTIFY | 1, b"")
    assert exactly(client.line, 416) == picture


def test_a_plain_client(gateway: Gateway, service: Service) -> None:
    client = Client(gateway, 7)
    service.accept()
    for sent, wanted in ((b"Gr\xfc\xdfe", "Grüße"), (TEXT.encode(), TEXT)):
        client.line.sendall(cut(sent, kind=6))
        assert service.hear() == wanted
    service.say("Grüße, 你好")
    assert client.message() == (0, b"Gr\xfc\xdfe, ??")
    client.line.close()


def test_what_is_refused_is_told_by_the_bell(client: Client, service: Service, gateway: Gateway) -> None:
    bomb = zlib.compress(counted(bytes(40 << 20)))
    client.say(PROVIDE | 1, bomb)
    assert exactly(client.line, 1) == b"\2"
    client.say(PROVIDE | 1, b"no zlib")
    assert exactly(client.line, 1) == b"\2"
    client.say(PROVIDE | 1, zlib.compress(struct.pack(">I", 1000) + b"cut"))
    assert exactly(client.line, 1) == b"\2"
    client.line.sendall(cut(bytes(9 << 20), kind=6))
    assert exactly(client.line, 1) == b"\2"
    service.say("x" * (5 << 20))
    assert exactly(client.line, 1) == b"\2"
    service.say("the desktop takes no more", kind=b"e")
    assert exactly(client.line, 1) == b"\2"
    assert gateway.said().count("vnc clipboard refused") == 6
    client.text("and goes on")
    assert service.hear() == "and goes on"


def test_a_service_that_is_started_again_is_found(client: Client, service: Service, tmp_path: Path) -> None:
    service.close()
    again = Service(tmp_path / "clipboard/xfce.sock")
    again.accept()
    time.sleep(0.2)
    client.text(TEXT)
    assert again.hear() == TEXT
    again.close()


def test_who_may_only_look_copies_but_does_not_paste(gateway: Gateway, service: Service, tmp_path: Path) -> None:
    (tmp_path / FIRST).with_suffix(".view-only").touch()
    client = Client(gateway, EXTENDED)
    service.accept()
    client.message()
    client.text(TEXT)
    service.say("on the desktop")
    assert client.message() == (NOTIFY | 1, b"")
    assert service.line
    service.line.settimeout(0.5)
    with pytest.raises(TimeoutError):
        service.hear()
    client.line.close()


def test_a_viewer_with_a_better_clipboard_keeps_it(gateway: Gateway, viewer: Viewer, tmp_path: Path) -> None:
    (tmp_path / FIRST).with_suffix(".clipboard").touch()
    client = Client(gateway, 7, EXTENDED)
    client.text(TEXT)
    assert viewer.client
    viewer.client.sendall(cut(b"own"))
    assert client.message() == (0, b"own")
    assert struct.pack(">BxH2i", 2, 2, 7, EXTENDED) in viewer.heard
    client.line.close()


def test_random_bytes_do_no_harm(gateway: Gateway, viewer: Viewer, service: Service) -> None:
    for _ in range(5):
        client = Client(gateway, 7, EXTENDED)
        service.accept()
        assert viewer.client
        viewer.client.sendall(os.urandom(5000))
        with contextlib.suppress(OSError):
            client.line.sendall(os.urandom(5000))
        time.sleep(0.05)
        client.line.close()
    client = Client(gateway, EXTENDED)
    service.accept()
    assert client.message()[0] & CAPS
    client.line.close()
