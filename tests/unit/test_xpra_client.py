"""Xpra's packets, and the client against a server that is a script."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modulux.errors import RfbError
from modulux.rfb import Rect, RfbTimeoutError
from modulux.xpra import XpraClient
from modulux.xpra.packets import HEADER, decode, encode, pack

leaves = st.integers() | st.binary()
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.binary(), inner), max_leaves=20)


@given(values)
def test_what_is_encoded_is_decoded(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.binary())
def test_rubbish_is_an_error(data: bytes) -> None:
    with contextlib.suppress(RfbError):
        decode(data)


@pytest.mark.parametrize(
    "data", [b"", b"i5", b"5:abc", b"li1e", b"d1:ae", b"i1ei2e", b"-1:a", b"di1ei2", b"l" * 5000, b"dlei1ee"]
)
def test_what_is_no_value(data: bytes) -> None:
    with pytest.raises(RfbError, match="Xpra server"):
        decode(data)


class Script:
    """A stream that gives what it was told to, and keeps what it was sent."""

    def __init__(self, *packets: bytes) -> None:
        self.left = b"".join(packets)
        self.sent = b""

    def receive(self, view: memoryview, deadline: float) -> int:
        if not self.left:
            raise RfbTimeoutError("nothing came")
        count = min(len(view), len(self.left), 7)
        view[:count], self.left = self.left[:count], self.left[count:]
        return count

    def send(self, data: bytes, deadline: float) -> None:
        self.sent += data

    def close(self) -> None:
        self.left = b""

    def said(self) -> list[Any]:
        """The packets that were sent since the last time."""
        packets = []
        while self.sent:
            size = HEADER.unpack(self.sent[:8])[4]
            packets.append(decode(self.sent[8 : 8 + size]))
            self.sent = self.sent[8 + size :]
        return packets


def part(item: int, data: bytes) -> bytes:
    return HEADER.pack(b"P", 0, 0, item, len(data)) + data


def draw(x: int, y: int, width: int, height: int, line: int, **options: str) -> bytes:
    return pack(["draw", 1, x, y, width, height, "rgb32", b"", 77, line, options])


HELLO = pack(["hello", {"version": "3.1.3"}])
WINDOW = pack(["new-window", 1, 0, 0, 3, 2, {}])


def test_a_screen_is_found_and_drawn() -> None:
    pixels = b"\1\2\3\0" * 3 + b"\4\5\6\0" * 3
    patch = b"\7\7\7\0####"  # one pixel, and what lies between the lines
    script = Script(HELLO, WINDOW, part(7, pixels), draw(0, 0, 3, 2, 12, rgb_format="BGRX"))
    with XpraClient(script) as client:
        hello, mapped, focused = script.said()
        assert hello[0] == b"hello"
        assert mapped[:6] == [b"map-window", 1, 0, 0, 3, 2]
        assert focused[:2] == [b"focus", 1]
        assert (client.width, client.height) == (3, 2)
        assert client.frame().data == pixels
        assert [p[0] for p in script.said()] == [b"buffer-refresh", b"damage-sequence"]
        script.left = part(7, patch) + draw(2, 1, 1, 1, 8, rgb_format="RGBX") + pack(["ping", 5, 0, b"me"])
        assert client.wait_update(time.monotonic() + 5) == (Rect(2, 1, 1, 1),)
        assert client.pixel(2, 1) == (7, 7, 7)
        assert client.pixel(1, 1) == (6, 5, 4)
        assert client.wait_update(time.monotonic() + 0.2) is None
        assert [p[0] for p in script.said()] == [b"damage-sequence", b"ping_echo"]
        script.left = pack(["window-resized", 1, 5, 4, 1])
        assert client.wait_update(time.monotonic() + 5) == (Rect(0, 0, 5, 4),)
        assert (client.width, client.height) == (5, 4)


def test_keys_and_pointer() -> None:
    script = Script(HELLO, WINDOW)
    with XpraClient(script) as client:
        script.said()
        client.key(0xFFE3, True)
        client.key(ord("a"), True)
        client.key(0xFFE3, False)
        client.key(ord("~"), True)
        held = [(p[2], p[3], p[4]) for p in script.said()]
        assert held == [(b"Control_L", 1, []), (b"a", 1, [b"control"]), (b"Control_L", 0, []), (b"asciitilde", 1, [])]
        client.pointer(2, 1, 1)
        client.pointer(2, 1, 4)
        buttons = [(p[2], p[3]) for p in script.said() if p[0] == b"button-action"]
        assert buttons == [(1, 1), (1, 0), (3, 1)]


@pytest.mark.parametrize(
    "wrong",
    [
        b"RFB 003.008\n",
        pack(["disconnect", "not today"]),
        pack(["challenge", b"salt"]),
        pack(["new-window", 1, 0, 0, 1 << 20, 1 << 20, {}]),
        HEADER.pack(b"P", 0, 1, 0, 4) + b"abcd",
        HEADER.pack(b"P", 0, 0, 0, 1 << 31),
        b"",
    ],
)
def test_what_is_no_screen(wrong: bytes) -> None:
    with pytest.raises(RfbError):
        XpraClient(Script(wrong), timeout=1)


@pytest.mark.parametrize("place", [(2, 1, 2, 1), (0, 0, 3, 3), (-1, 0, 1, 1), (0, 0, 3, 2)])
def test_pixels_that_do_not_fit(place: tuple[int, int, int, int]) -> None:
    script = Script(HELLO, WINDOW, part(7, bytes(8)), draw(*place, place[2] * 4, rgb_format="BGRX"))
    with XpraClient(script) as client, pytest.raises(RfbError):
        client.wait_update(time.monotonic() + 1)
