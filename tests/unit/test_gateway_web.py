"""The browser's way in: links, sessions, hosts, origins and the bridge."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import FIRST, SERVER_INIT, Gateway, ended, now, running
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture(scope="module")
def cookie(gateway: Gateway) -> str:
    return gateway.sign_in()


def rfb(gateway: Gateway, cookie: str, origin: str | None = "same") -> ClientConnection:
    host = f"127.0.0.1:{gateway.web}"
    headers = {"Cookie": cookie} | ({"Origin": f"http://{host}" if origin == "same" else origin} if origin else {})
    return connect(f"ws://{host}/rfb", additional_headers=headers, compression=None, max_size=None, proxy=None, open_timeout=5)


def greet(browser: ClientConnection) -> None:
    """RFB's opening, as noVNC does it."""
    version = b"RFB 003.008\n"
    for wanted, answer in ((version, version), (b"\x01\x01", b"\x01"), (bytes(4), b"\x01"), (SERVER_INIT, b"")):
        got = b""
        while len(got) < len(wanted):
            message = browser.recv(5)
            assert isinstance(message, bytes)
            got += message
        assert got == wanted
        if answer:
            browser.send(answer)


def test_health_needs_nothing(gateway: Gateway) -> None:
    answer = gateway.get("/healthz", Host="10.1.2.3")
    assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/", "/session", "/rfb", "/static/x/desktop/desktop.js", "/nothing", "/../etc/passwd", "//x"])
def test_a_stranger_gets_only_the_friendly_page(gateway: Gateway, path: str) -> None:
    for headers in ({}, {"Cookie": "modulux-office=wrong-wrong-wrong"}, {"Cookie": 'modulux-office="../../x"; a=b;;='}):
        answer = gateway.get(path, **headers)
        assert answer.status == 403
        assert b"modulux open office" in answer.body
        assert "Set-Cookie" not in answer.headers


def test_a_link_opens_once(gateway: Gateway) -> None:
    link = gateway.action("link")
    first, second = gateway.get(link), gateway.get(link)
    assert (first.status, first.headers["Location"], second.status) == (303, "/", 403)
    name, _, attributes = first.headers["Set-Cookie"].partition("=")
    value, *rest = attributes.split("; ")
    assert name == "modulux-office"
    assert len(value) >= 43  # 256 bits
    assert set(rest) == {"Path=/", "HttpOnly", "SameSite=Lax"}
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["Referrer-Policy"] == "no-referrer"
    assert value not in gateway.said()
    assert link.partition("=")[2] not in gateway.said()


def test_links_differ_and_are_long(gateway: Gateway) -> None:
    tokens = {gateway.action("link").removeprefix("/open?token=") for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) == 32 for token in tokens)  # 192 bits in base64
    folder = gateway.folder / "gateway/links"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all((folder / token).stat().st_mode & 0o777 == 0o600 for token in tokens)


def test_an_old_link_opens_nothing(gateway: Gateway) -> None:
    link = gateway.action("link")
    file = gateway.folder / "gateway/links" / link.partition("=")[2]
    os.utime(file, (now() - 601,) * 2)
    assert gateway.get(link).status == 403
    assert not file.exists()


def test_looking_ahead_does_not_use_a_link_up(gateway: Gateway) -> None:
    link = gateway.action("link")
    assert gateway.get(link, method="HEAD").status == 405
    assert gateway.get(link, method="POST").status == 405
    assert gateway.get(link, Sec_Purpose="prefetch;prerender").status == 503
    assert gateway.get(link, Host="evil.example").status == 421
    assert gateway.get(link).status == 303


@pytest.mark.parametrize("token", ["", "x", "../links", "..%2Fsessions%2Fx", "%00", "a" * 5000, "..", ".", "%ff%fe"])
def test_an_odd_token_opens_nothing(gateway: Gateway, token: str) -> None:
    assert gateway.get(f"/open?token={token}").status == 403


def test_the_page(gateway: Gateway, cookie: str) -> None:
    page = gateway.get("/", Cookie=f"other=1; {cookie}")
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    text = page.body.decode()
    assert "<title>office</title>" in text
    assert "http" not in text.replace("http-equiv", "")  # nothing from elsewhere
    script = text.partition('<script type="module" src="')[2].partition('"')[0]
    assert b"Screens" in gateway.get(script, Cookie=cookie).body
    assert gateway.get(script).status == 403
    assert gateway.get(script.replace("desktop.js", "../serve"), Cookie=cookie).status == 404


def test_a_desktop_cannot_use_anothers_cookie_name(tmp_path: Path) -> None:
    with running(tmp_path, "--desktop=<b>&x") as other:
        assert other.sign_in().startswith("modulux-_b__x=")
        assert b"modulux open &lt;b&gt;&amp;x" in other.get("/").body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:6080", "", "localhost@evil", "[::2]:80", "0.0.0.0"])
def test_other_hosts_are_refused(gateway: Gateway, cookie: str, host: str) -> None:
    assert gateway.get("/", Host=host, Cookie=cookie).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:1", "[::1]:6080", "[::1]"])
def test_loopback_is_served(gateway: Gateway, cookie: str, host: str) -> None:
    assert gateway.get("/", Host=host, Cookie=cookie).status == 200


def test_named_hosts_are_served(tmp_path: Path) -> None:
    with running(tmp_path, "--hosts=desk.example, other.example") as named:
        assert named.get("/", Host="desk.example:8443", Cookie=named.sign_in()).status == 200
        assert named.get("/", Host="third.example").status == 421


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1", "https://127.0.0.1:1", "same"])
def test_a_websocket_needs_the_pages_origin(gateway: Gateway, cookie: str, origin: str | None) -> None:
    if origin == "same":
        for own in (origin, f"https://127.0.0.1:{gateway.web}"):
            with rfb(gateway, cookie, own) as browser:
                assert browser.recv(5) == b"RFB 003.008\n"
        return
    with pytest.raises(InvalidStatus) as refused:
        rfb(gateway, cookie, origin)
    assert refused.value.response.status_code == 403


def test_a_websocket_needs_a_session(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        rfb(gateway, "a=b")
    assert refused.value.response.status_code == 403


def test_bytes_go_both_ways(gateway: Gateway, cookie: str) -> None:
    with rfb(gateway, cookie) as browser:
        assert browser.response is not None
        assert "Sec-WebSocket-Extensions" not in browser.response.headers
        greet(browser)
        sent = os.urandom(1 << 20)
        for start in range(0, len(sent), 1 << 16):
            browser.send(sent[start : start + (1 << 16)])
        got = b""
        while len(got) < len(sent):
            message = browser.recv(5)
            assert isinstance(message, bytes)
            got += message
        assert got == sent


def test_text_is_refused(gateway: Gateway, cookie: str) -> None:
    with rfb(gateway, cookie) as browser:
        browser.recv(5)
        browser.send("not RFB")
        with pytest.raises(ConnectionClosed) as closed:
            browser.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


def test_a_message_too_big_ends_the_connection(gateway: Gateway, cookie: str) -> None:
    with rfb(gateway, cookie) as browser:
        browser.recv(5)
        with pytest.raises(ConnectionClosed):  # noqa: PT012  which of the two notices it first is a matter of time
            browser.send(bytes((1 << 20) + 1))
            browser.recv(5)


def test_the_viewers_end_is_the_browsers_end_and_the_gateway_lives_on(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        cookie = gateway.sign_in()
        with rfb(gateway, cookie) as browser:
            browser.recv(5)
            browser.send(b"this is not RFB, so the viewer ends")
            with pytest.raises(ConnectionClosed) as closed:
                browser.recv(5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        (tmp_path / FIRST).unlink()
        with rfb(gateway, cookie) as browser, pytest.raises(ConnectionClosed) as closed:
            browser.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013  # try again later
        assert gateway.get("/healthz").status == 200


def test_a_session_outlives_the_process_but_not_its_time(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        cookie = gateway.sign_in()
    (tmp_path / FIRST).unlink()
    with running(tmp_path) as gateway:
        assert gateway.get("/", Cookie=cookie).status == 200
        (session,) = (tmp_path / "gateway/sessions").iterdir()
        assert cookie.partition("=")[2] not in session.name
        os.utime(session, (now() - 11 * 3600,) * 2)
        assert gateway.get("/", Cookie=cookie).status == 200  # and it slides
        assert session.stat().st_mtime > now() - 60
        os.utime(session, (now() - 13 * 3600,) * 2)
        assert gateway.get("/", Cookie=cookie).status == 403


def test_connections_are_limited(tmp_path: Path) -> None:
    with running(tmp_path, "--connections=2") as gateway:
        cookie = gateway.sign_in()
        with rfb(gateway, cookie) as one, rfb(gateway, cookie) as two:
            one.recv(5)
            two.recv(5)
            with pytest.raises(InvalidStatus) as refused:
                rfb(gateway, cookie)
            assert refused.value.response.status_code == 503


RUBBISH = [
    b"\0" * 4096,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS greeting
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    b"GET / HTTP/1.1\r\nCookie: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    b"GET /open?token=\xff\xfe\x80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /rfb HTTP/1.1\r\nHost: localhost\r\nOrigin: a\r\nOrigin: b\r\nUpgrade: websocket\r\n\r\n",
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_does_no_harm(gateway: Gateway, rubbish: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.web), timeout=5) as stranger:
        stranger.sendall(rubbish)
        stranger.settimeout(3)
        answer = b""
        try:
            while more := stranger.recv(1 << 16):
                answer += more
        except ConnectionResetError:
            pass
    assert b"Traceback" not in answer
    assert b"/usr/lib" not in answer
    assert gateway.get("/healthz").status == 200
    assert "Traceback" not in gateway.said()


def test_a_slow_stranger_is_cut_off(tmp_path: Path) -> None:
    with running(tmp_path, "--timeout=0.3") as gateway, socket.create_connection(("127.0.0.1", gateway.web)) as slow:
        slow.sendall(b"GET / HTT")
        assert ended(slow)


@pytest.mark.parametrize("option", ["--nonsense=1", "--web-port=x", "web-port=1", "--web-port"])
def test_an_odd_option_ends_at_once(tmp_path: Path, option: str) -> None:
    with pytest.raises(AssertionError, match="gateway: "), running(tmp_path, option):
        pass
    assert "Traceback" not in (tmp_path / "gateway.log").read_text()


def test_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as gateway, rfb(gateway, gateway.sign_in()) as browser:
        browser.recv(5)
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(2) == -signal.SIGTERM
        assert time.monotonic() - began < 0.5
