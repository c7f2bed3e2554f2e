"""What the gateway carries beside the picture: sound, the clipboard, and a screen's size."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway, exactly, running
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

CHANNELS = ["/sound", "/clipboard", "/resize"]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    places = [f"--resize={tmp_path / 'resize'}", f"--clipboard={tmp_path / 'clipboard'}", f"--sound={tmp_path / 'opus.sock'}"]
    with running(tmp_path, *places) as started:
        yield started


@pytest.fixture
def cookie(gateway: Gateway) -> str:
    return gateway.sign_in()


def dial(gateway: Gateway, path: str, cookie: str, origin: str = "") -> ClientConnection:
    host = f"127.0.0.1:{gateway.web}"
    headers = {"Cookie": cookie, "Origin": origin or f"http://{host}"}
    return connect(
        f"ws://{host}{path}", additional_headers=headers, compression=None, max_size=None, proxy=None, open_timeout=5
    )


@contextlib.contextmanager
def serving(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """A unix socket at `path`, each connection served in a thread."""
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    threading.Thread(target=one, args=(client,), daemon=True).start()

        def one(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                serve(client)

        threading.Thread(target=accept, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
    path.unlink()


@pytest.mark.parametrize("path", CHANNELS)
def test_a_session_and_the_pages_origin_are_needed(gateway: Gateway, cookie: str, path: str) -> None:
    for headers in (("a=b", ""), (cookie, "http://evil.example"), (cookie, "null")):
        with pytest.raises(InvalidStatus) as refused:
            dial(gateway, path, *headers)
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/sound", "/clipboard"])
def test_what_is_not_there_is_said_so(gateway: Gateway, cookie: str, path: str) -> None:
    with dial(gateway, path, cookie) as browser, pytest.raises(ConnectionClosed) as closed:
        browser.recv(5)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1013


@pytest.mark.parametrize("path", CHANNELS)
def test_they_are_limited_and_leave_the_picture_its_places(tmp_path: Path, path: str) -> None:
    with running(
        tmp_path, "--connections=1", f"--sound={tmp_path / 'opus.sock'}", f"--clipboard={tmp_path / 'clipboard'}"
    ) as gateway:
        cookie = gateway.sign_in()
        with (
            serving(tmp_path / "opus.sock", hold),
            serving(tmp_path / "clipboard/xfce.sock", hold),
            dial(gateway, path, cookie),
        ):
            with dial(gateway, "/rfb", cookie) as picture:
                assert picture.recv(5) == b"RFB 003.008\n"
            with pytest.raises(InvalidStatus) as refused:
                dial(gateway, path, cookie)
            assert refused.value.response.status_code == 503


def hold(client: socket.socket) -> None:
    while client.recv(1 << 16):
        pass


def test_each_packet_of_sound_is_a_message(gateway: Gateway, cookie: str, tmp_path: Path) -> None:
    sent = [os.urandom(size) for size in (1, 3, 160, 1275)]

    def play(client: socket.socket) -> None:
        for byte in b"".join(len(packet).to_bytes(2, "big") + packet for packet in sent):
            client.sendall(bytes([byte]))  # as unevenly as can be
        client.recv(1)

    with serving(tmp_path / "opus.sock", play):
        assert json.loads(gateway.get("/screens", Cookie=cookie).body)["sound"]
        with dial(gateway, "/sound", cookie) as browser:
            assert [browser.recv(5) for _ in sent] == sent


def test_late_sound_is_dropped_and_the_recorder_is_not_held_up(gateway: Gateway, cookie: str, tmp_path: Path) -> None:
    packet = (1000).to_bytes(2, "big") + bytes(1000)
    done = threading.Event()

    def play(client: socket.socket) -> None:
        client.settimeout(5)
        for _ in range(20_000):  # 20 MB, more than any buffer on the way holds
            client.sendall(packet)
        done.set()
        client.recv(1)

    with serving(tmp_path / "opus.sock", play), dial(gateway, "/sound", cookie) as browser:
        browser.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert done.wait(10)


def test_the_end_of_sound_is_told_and_the_browsers_end_is_noticed(gateway: Gateway, cookie: str, tmp_path: Path) -> None:
    left = threading.Event()

    def play(client: socket.socket) -> None:
        if client.recv(1) == b"":
            left.set()

    with serving(tmp_path / "opus.sock", play):
        with dial(gateway, "/sound", cookie):
            pass
        assert left.wait(5)
    with (
        serving(tmp_path / "opus.sock", lambda client: client.sendall(b"\0\x05abc")),
        dial(gateway, "/sound", cookie) as browser,
    ):
        with pytest.raises(ConnectionClosed) as closed:
            browser.recv(5)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1001


def test_the_clipboard_of_the_screen_that_is_named(gateway: Gateway, cookie: str, tmp_path: Path) -> None:
    def echo(name: bytes) -> Callable[[socket.socket], None]:
        def serve(client: socket.socket) -> None:
            client.sendall(name)
            while data := client.recv(1 << 16):
                client.sendall(data)

        return serve

    with serving(tmp_path / "clipboard/xfce.sock", echo(b"xfce")), serving(tmp_path / "clipboard/icewm.sock", echo(b"icewm")):
        for query, name in (("", b"xfce"), ("?screen=xfce", b"xfce"), ("?screen=icewm", b"icewm")):
            with dial(gateway, f"/clipboard{query}", cookie) as browser:
                assert browser.recv(5) == name
                sent = os.urandom(3 << 20)
                for start in range(0, len(sent), 1 << 18):
                    browser.send(sent[start : start + (1 << 18)])
                got = b""
                while len(got) < len(sent):
                    message = browser.recv(5)
                    assert isinstance(message, bytes)
                    got += message
                assert got == sent
        for query in ("?screen=none", "?screen=../clipboard/xfce", "?screen=%00", "?screen=."):
            with dial(gateway, f"/clipboard{query}", cookie) as browser, pytest.raises(ConnectionClosed):
                browser.recv(5)


def sizes(client: socket.socket) -> None:
    """A display that takes one size."""
    line = b""
    while not line.endswith(b"\n"):
        line += exactly(client, 1)
    client.sendall(b"ok\n" if line == b"1600x900\n" else b"the largest screen here is 1600x900\n")


def test_a_size_is_asked_for(gateway: Gateway, cookie: str, tmp_path: Path) -> None:
    with serving(tmp_path / "resize/xfce.sock", sizes), dial(gateway, "/resize", cookie) as browser:
        (screen,) = json.loads(gateway.get("/screens", Cookie=cookie).body)["screens"]
        assert (screen["resize"], screen["clipboard"]) == (True, False)
        for size, answer in (("1600x900", "ok"), ("1920x1080", "the largest screen here is 1600x900"), ("1600x900", "ok")):
            browser.send(size)
            assert browser.recv(5) == answer


@pytest.mark.parametrize(
    "size",
    [
        "",
        "x",
        "1600",
        "1600x900\n2x2",
        "0x0",
        "-1x5",
        "1600X900",
        "16000000x9",
        "1600x900 ",
        "\u0663\u0662\u0660x\u0662\u0664\u0660",
        b"800x600",
    ],
)
def test_what_is_no_size_goes_nowhere(gateway: Gateway, cookie: str, tmp_path: Path, size: str | bytes) -> None:
    asked: list[bytes] = []
    display = serving(tmp_path / "resize/xfce.sock", lambda client: asked.append(client.recv(100)))
    with display, dial(gateway, "/resize", cookie) as browser:
        browser.send(size)
        assert browser.recv(5) == "a size is such as 1600x900"
    assert asked == []


def test_a_display_that_is_not_there_or_silent(tmp_path: Path) -> None:
    with running(tmp_path, "--timeout=0.3", f"--resize={tmp_path / 'resize'}") as gateway:
        cookie = gateway.sign_in()
        with dial(gateway, "/resize", cookie) as browser:
            browser.send("800x600")
            assert browser.recv(5) == "this screen has one size only"
        with serving(tmp_path / "resize/xfce.sock", lambda _: time.sleep(2)), dial(gateway, "/resize", cookie) as browser:
            browser.send("800x600")
            assert browser.recv(5) == "the screen does not answer"
