"""The clipboard of VNC clients: the gateway finds the messages in both streams, and speaks to the screen's clipboard service."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import FIRST, LIBRARY, Gateway, exactly

sys.dont_write_bytecode = True  # nothing may be left behind in the module's folder: its hash is the image's tag
sys.path.insert(0, str(LIBRARY))
rfb = importlib.import_module("gateway.rfb")
response = importlib.import_module("gateway.vncauth").response

EXTENDED = -1063131698
CAPS, REQUEST, PEEK, NOTIFY, PROVIDE = (1 << bit for bit in range(24, 29))
FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
SMALL = struct.pack(">BBBBHHHBBB3x", 8, 8, 0, 1, 7, 7, 3, 0, 3, 6)
INIT = struct.pack(">HH", 100, 50) + FORMAT + struct.pack(">I", 4) + b"desk"
TEXT = "你好世界 🌍 Grüße\nzweite Zeile"


def area(width: int, height: int, encoding: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHHHi", 1, 2, width, height, encoding) + data


def update(*areas: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(areas)) + b"".join(areas)


def cut(data: bytes, size: int | None = None, kind: int = 3) -> bytes:
    return struct.pack(">B3xi", kind, len(data) if size is None else size) + data


def counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


# Every way in which an area may be as long as it is, among bytes that look like messages themselves.
RUBBISH = bytes(range(256)) * 4
AREAS = [
    area(10, 10, 0, RUBBISH[:400]),
    area(10, 10, 1, b"\3\3\3\3"),
    area(5, 5, 16, counted(RUBBISH)),
    area(5, 5, 6, counted(b"")),
    area(9, 9, 50, counted(RUBBISH[:9])[:4] + b"\0\0\0\1" + RUBBISH[:9]),
    area(4, 4, 7, b"\x80abc"),  # one colour
    area(4, 4, 7, b"\x90\x83\x02" + RUBBISH[:259]),  # JPEG
    area(4, 4, -260, b"\xa0\x03png"),
    area(2, 1, 7, b"\x00" + RUBBISH[:6]),  # too small to be compressed
    area(16, 16, 7, b"\x00\x85\x81\x01" + (RUBBISH * 17)[: 5 + (1 << 7) + (1 << 14)]),
    area(8, 8, 7, b"\x40\x01\x01123456" + RUBBISH[:8]),  # two colours, a bit each
    area(8, 8, 7, b"\x41\x01\x02123456789\x07" + RUBBISH[:7]),  # three, a byte each, compressed
    area(4, 1, 7, b"\x50\x02\x03abc"),
    area(3, 3, -239, RUBBISH[:39]),
    area(9, 2, -240, RUBBISH[:14]),
    area(0, 0, -240),
    area(3, 3, -314, bytes(4) + RUBBISH[:36]),
    area(2, 2, 0x574D5664, b"\0\0" + RUBBISH[:32]),
    area(2, 2, 0x574D5664, b"\1\0" + RUBBISH[:16]),
    area(100, 50, -308, b"\2\0\0\0" + RUBBISH[:32]),
    area(0, 0, -261, b"\3"),
    area(0, 0, -307, counted(b"name")),
    area(100, 50, -223),
    area(0, 0, -258),
]


def passed(stream: Any, data: bytes, seed: int) -> bytes:
    """What comes out when the bytes come in pieces."""
    pieces, at = random.Random(seed), 0
    out = b""
    while at < len(data):
        size = pieces.choice([1, 2, 3, 7, 50, 4000])
        out += stream.feed(data[at : at + size])
        at += size
    return out


def session(said: list[tuple[int, bytes]] | None = None, asked: list[bool] | None = None, most: int = 1000) -> Any:
    said, asked = [] if said is None else said, [] if asked is None else asked
    return rfb.Session(lambda size, data: said.append((size, data)), asked.append, most)


@pytest.mark.parametrize("seed", range(8))
def test_the_viewers_messages_are_told_apart(seed: int) -> None:
    colours = b"\1\0\0\0\0\2" + RUBBISH[:12]
    fence = b"\xf8\0\0\0\0\0\0\1\5fence"
    pieces = [update(*AREAS), colours, b"\2", fence, b"\x96", update(), update(area(0, 0, -224)), update(*AREAS[:3])]
    open_end = struct.pack(">BxH", 0, 0xFFFF) + AREAS[2] + area(0, 0, -224)  # a count that only the last area ends
    both = session()
    assert passed(both.viewer, INIT + cut(b"what").join([*pieces, open_end, b"\2"]), seed) == INIT + b"".join(
        [*pieces, open_end, b"\2"]
    )
    assert both.viewer.between


def test_each_area_has_its_end() -> None:
    for one in AREAS:
        both = session()
        assert both.viewer.feed(INIT + update(one)) == INIT + update(one)
        assert both.viewer.between, one[:20]
        both.viewer.feed(update(one)[:-1])
        assert not both.viewer.between, one[:20]


@pytest.mark.parametrize("seed", range(4))
def test_the_clients_messages_are_told_apart(seed: int) -> None:
    said: list[tuple[int, bytes]] = []
    asked: list[bool] = []
    both = session(said, asked)
    kept = [
        b"\0\0\0\0" + FORMAT,
        struct.pack(">BxH2i", 2, 2, 7, -239),
        b"\3" + RUBBISH[:9],
        b"\4" + RUBBISH[:7],
        b"\5" + RUBBISH[:5],
        b"\x96\1" + RUBBISH[:8],
        b"\xf8\0\0\0\0\0\0\1\3abc",
        b"\xfb\0\0\1\0\1\1\0" + RUBBISH[:16],
        b"\xff\0" + RUBBISH[:10],
    ]
    sent = [*kept, cut(b"text", kind=6), cut(bytes(2000), kind=6), cut(b"more", -4, kind=6)]
    sent[1] = struct.pack(">BxH4i", 2, 4, 7, 5, -239, EXTENDED)  # Hextile's end is not found
    assert passed(both.client, b"\1" + b"".join(sent), seed) == b"\1" + b"".join(kept)
    assert said == [(4, b"text"), (2000, b""), (-4, b"more")]
    assert asked == [True]


def test_a_change_of_format_waits_for_the_update_that_is_under_way() -> None:
    both = session()
    large, small = update(area(10, 10, 0, bytes(400))), update(area(10, 10, 0, bytes(100)))
    both.client.feed(b"\1")
    both.viewer.feed(INIT + large[:50])
    both.client.feed(b"\0\0\0\0" + SMALL)
    both.viewer.feed(large[50:] + small)
    assert both.viewer.between
    both.client.feed(b"\x96\1" + bytes(8))  # from here on updates come unasked
    both.client.feed(b"\x96\0" + bytes(8) + b"\0\0\0\0" + FORMAT + b"\x96\1" + bytes(8))
    both.viewer.feed(small + small + b"\x96" + large)
    assert both.viewer.between


def test_what_is_not_understood_passes_as_it_is() -> None:
    both = session()
    odd = INIT + update() + b"\x77" + RUBBISH
    assert both.viewer.feed(odd) + both.viewer.feed(cut(b"text")) == odd + cut(b"text")
    assert "kind 119" in both.viewer.lost
    for wrong in (area(1, 1, 5), area(1, 1, 7, b"\xb0"), area(1, 1, 16, b"\xff\xff\xff\xff"), area(1, 1, -314, b"\0\0\0\1")):
        both = session()
        assert both.viewer.feed(INIT + update(wrong) + RUBBISH) == INIT + update(wrong) + RUBBISH
        assert both.viewer.lost
    both = session()
    assert both.client.feed(b"\1\x70" + RUBBISH) == b"\1\x70" + RUBBISH


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
