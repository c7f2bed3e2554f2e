"""The gateway tells the messages of both RFB streams apart, whatever pieces they come in."""

from __future__ import annotations

import importlib
import random
import struct
import sys
from typing import Any

import pytest
from tests.support.gateway import LIBRARY
from tests.support.rfb_messages import (
    EXTENDED,
    FORMAT,
    INIT,
    SMALL,
    area,
    counted,
    cut,
    update,
)

sys.dont_write_bytecode = True  # nothing may be left behind in the module's folder: its hash is the image's tag
sys.path.insert(0, str(LIBRARY))
rfb = importlib.import_module("gateway.rfb")


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
