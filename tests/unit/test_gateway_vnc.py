"""The VNC clients' way in: one-time passwords, and never anything without one."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import FIRST, LIBRARY, SERVER_INIT, Gateway, Viewer, ended, exactly, now, running

sys.dont_write_bytecode = True  # nothing may be left behind in the module's folder: its hash is the image's tag
sys.path.insert(0, str(LIBRARY))
response = importlib.import_module("gateway.vncauth").response


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """For tests that count no failures."""
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


def log_in(client: socket.socket, password: str, minor: int = 8) -> int:
    """Up to SecurityResult, which is returned: 0 is a yes."""
    assert exactly(client, 12) == b"RFB 003.008\n"
    client.sendall(b"RFB 003.%03d\n" % minor)
    if minor >= 7:
        assert exactly(client, 2) == b"\x01\x02"  # one type: VncAuth
        client.sendall(b"\x02")
    else:
        assert exactly(client, 4) == b"\0\0\0\x02"
    challenge = exactly(client, 16)
    assert len(challenge) == 16
    client.sendall(response(password, challenge))
    return int.from_bytes(exactly(client, 4))


def test_des_is_as_the_standard_says() -> None:
    # FIPS 81's example: key 0123456789abcdef, "Now is t" -> 3fa40e8a984d4815. VNC mirrors the bits of each key byte.
    key = "".join(chr(int(f"{byte:08b}"[::-1], 2)) for byte in bytes.fromhex("0123456789abcdef"))
    assert response(key, b"Now is t" * 2) == bytes.fromhex("3fa40e8a984d4815") * 2


@pytest.mark.parametrize("minor", [8, 7, 3, 889])
def test_a_password_works_once(gateway: Gateway, minor: int) -> None:
    password = gateway.action("vnc-password")
    assert len(password) == 8
    with gateway.dial() as client:
        assert log_in(client, password, minor) == 0
        client.sendall(b"\x01")
        assert exactly(client, len(SERVER_INIT)) == SERVER_INIT
        sent = os.urandom(1 << 20)
        client.settimeout(5)
        for start in range(0, len(sent), 1 << 15):
            client.sendall(sent[start : start + (1 << 15)])
            assert exactly(client, 1 << 15) == sent[start : start + (1 << 15)]
    with gateway.dial() as client:
        assert log_in(client, password, minor) == 1
        if minor == 8:
            size = int.from_bytes(exactly(client, 4))
            assert b"modulux open" in exactly(client, size)
        assert ended(client)
    assert password not in gateway.said()


def test_passwords_lie_in_a_closed_folder(shared: Gateway) -> None:
    shared.action("vnc-password")
    folder = shared.folder / "gateway/passwords"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_old_password_is_refused(gateway: Gateway) -> None:
    password = gateway.action("vnc-password")
    os.utime(gateway.folder / "gateway/passwords" / password, (now() - 601,) * 2)
    with gateway.dial() as client:
        assert log_in(client, password) == 1


@pytest.mark.parametrize("password", ["", "password"])
def test_without_a_live_password_nobody_comes_in(gateway: Gateway, password: str) -> None:
    with gateway.dial() as client:
        assert log_in(client, password) == 1


def test_five_failures_burn_every_password(gateway: Gateway) -> None:
    passwords = [gateway.action("vnc-password") for _ in range(2)]
    for attempt in range(5):
        assert len(list((gateway.folder / "gateway/passwords").iterdir())) == 2, attempt
        with gateway.dial() as client:
            assert log_in(client, "wrong") == 1
    for password in passwords:
        with gateway.dial() as client:
            assert log_in(client, password) == 1
    with gateway.dial() as client:  # a new one works
        assert log_in(client, gateway.action("vnc-password")) == 0


def test_delays_grow(tmp_path: Path) -> None:
    with running(tmp_path, "--failure-delay=0.1") as gateway:
        times = []
        for _ in range(3):
            with gateway.dial() as client:
                began = time.monotonic()
                assert log_in(client, "wrong") == 1
                times.append(time.monotonic() - began)
        assert times[0] >= 0.1
        assert times[1] >= 0.2
        assert times[2] >= 0.4


@pytest.mark.parametrize("kind", [0, 1, 16, 19])
def test_no_other_security_type_can_be_asked_for(shared: Gateway, kind: int) -> None:
    shared.action("vnc-password")
    with shared.dial() as client:
        exactly(client, 12)
        client.sendall(b"RFB 003.008\n")
        assert exactly(client, 2) == b"\x01\x02"
        client.sendall(bytes([kind]))
        client.sendall(b"\x01" * 64)
        assert exactly(client, 1) == b""


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"RFB 9.9\n" * 99, b"\0" * 9999, b""])
def test_rubbish_does_no_harm(shared: Gateway, rubbish: bytes) -> None:
    with shared.dial() as client:
        client.sendall(rubbish)
        client.shutdown(socket.SHUT_WR)
        assert ended(client)
    assert "Traceback" not in shared.said()
    with shared.dial() as client:
        assert log_in(client, shared.action("vnc-password")) == 0


def test_a_silent_client_is_cut_off(tmp_path: Path) -> None:
    with running(tmp_path, "--timeout=0.3") as gateway, gateway.dial() as client:
        assert ended(client)


def test_when_the_viewer_is_away_the_password_is_kept(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        password = gateway.action("vnc-password")
        (tmp_path / FIRST).rename(tmp_path / "away")
        with gateway.dial() as client:
            assert log_in(client, password) == 1
            assert b"viewer" in exactly(client, int.from_bytes(exactly(client, 4)))
        (tmp_path / "away").rename(tmp_path / FIRST)
        with gateway.dial() as client:
            assert log_in(client, password) == 0


def test_the_first_screen_is_shown(gateway: Gateway, tmp_path: Path) -> None:
    other = Viewer(tmp_path / "rfb/another.x11vnc.sock")
    only = Viewer(tmp_path / "rfb/xfce.a.sock")
    (tmp_path / "rfb/xfce.a.view-only").touch()
    with gateway.dial() as client:
        assert log_in(client, gateway.action("vnc-password")) == 0
    assert (other.connections, only.connections) == (0, 0)
    other.close()
    only.close()
