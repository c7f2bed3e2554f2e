"""The RFB client against bytes that a server would send."""

from __future__ import annotations

import struct
import time
import zlib

import pytest
from tests.support.rfb_script import Played, init, rect, update

from modulux.errors import RfbError
from modulux.rfb import Client, Picture, Rect, RfbTimeoutError


def soon() -> float:
    return time.monotonic() + 5


def pixel(red: int, green: int, blue: int) -> bytes:
    return bytes([blue, green, red, 0])


def client(*messages: bytes, width: int = 4, height: int = 3, **options: bool) -> tuple[Client, Played]:
    stream = Played(init(width, height) + b"".join(messages), stalls=True)
    return Client(stream, **options), stream  # type: ignore[arg-type]


def rows(picture: Picture) -> list[list[int]]:
    """The red of each pixel."""
    return [[picture.rgb[(y * picture.width + x) * 3] for x in range(picture.width)] for y in range(picture.height)]


def test_greets_and_asks_for_bgrx() -> None:
    made, stream = client()
    assert (made.width, made.height, made.name) == (4, 3, "desk")
    assert stream.sent.startswith(b"RFB 003.008\n\x01\x01")
    assert bytes([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0]) in stream.sent
    assert stream.sent.endswith(struct.pack(">BxH3i", 2, 3, 1, 0, -223))


def test_a_raw_frame_becomes_an_rgb_picture() -> None:
    data = b"".join(pixel(n, n + 100, n + 200) for n in range(12))
    made, stream = client(update(rect(0, 0, 4, 3, 0, data)))
    picture = made.frame()
    assert stream.sent.endswith(struct.pack(">BBHHHH", 3, 0, 0, 0, 4, 3))
    assert (picture.width, picture.height) == (4, 3)
    assert picture.rgb == b"".join(bytes([n, n + 100, n + 200]) for n in range(12))
    assert made.pixel(1, 2) == (9, 109, 209)


def test_a_frame_may_come_in_parts() -> None:
    part = b"".join(pixel(7, 0, 0) for _ in range(6))
    made, _ = client(update(rect(0, 0, 2, 3, 0, part)), update(rect(2, 0, 2, 3, 0, part)))
    assert rows(made.frame()) == [[7] * 4] * 3


def test_a_part_changes_only_its_area() -> None:
    made, stream = client(update(rect(1, 1, 2, 1, 0, pixel(5, 0, 0) + pixel(6, 0, 0))))
    assert made.wait_update(soon()) == (Rect(1, 1, 2, 1),)
    assert rows(made.picture()) == [[0, 0, 0, 0], [0, 5, 6, 0], [0, 0, 0, 0]]
    made.request(area=Rect(1, 1, 2, 1))
    assert stream.sent.endswith(struct.pack(">BBHHHH", 3, 1, 1, 1, 2, 1))


def test_copy_rect_may_overlap_itself() -> None:
    data = b"".join(pixel(n, 0, 0) for n in range(12))
    made, _ = client(update(rect(0, 0, 4, 3, 0, data), rect(1, 1, 3, 2, 1, struct.pack(">HH", 0, 0))))
    made.wait_update(soon())
    assert rows(made.picture()) == [[0, 1, 2, 3], [4, 0, 1, 2], [8, 4, 5, 6]]


def test_copy_rect_of_whole_lines() -> None:
    data = b"".join(pixel(n, 0, 0) for n in range(12))
    made, _ = client(update(rect(0, 0, 4, 3, 0, data), rect(0, 1, 4, 2, 1, struct.pack(">HH", 0, 0))))
    made.wait_update(soon())
    assert rows(made.picture()) == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]


def test_zlib_is_one_stream_over_all_rectangles() -> None:
    deflate = zlib.compressobj()

    def packed(data: bytes) -> bytes:
        out = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return struct.pack(">I", len(out)) + out

    first, second = pixel(1, 0, 0) * 12, pixel(2, 0, 0) * 2
    made, stream = client(update(rect(0, 0, 4, 3, 6, packed(first))), update(rect(1, 1, 2, 1, 6, packed(second))), deflate=True)
    assert struct.pack(">BxH4i", 2, 4, 6, 1, 0, -223) in stream.sent
    made.wait_update(soon())
    made.wait_update(soon())
    assert rows(made.picture()) == [[1, 1, 1, 1], [1, 2, 2, 1], [1, 1, 1, 1]]


@pytest.mark.parametrize("size", [47, 49, 5000])
def test_zlib_must_hold_the_pixels_of_its_area_and_no_more(size: int) -> None:
    out = zlib.compress(bytes(size))
    made, _ = client(update(rect(0, 0, 4, 3, 6, struct.pack(">I", len(out)) + out)), deflate=True)
    with pytest.raises(RfbError, match="48 bytes"):
        made.wait_update(soon())


def test_another_size_forgets_the_picture_and_asks_again() -> None:
    made, stream = client(update(rect(0, 0, 2, 2, -223)), update(rect(0, 0, 2, 2, 0, pixel(3, 0, 0) * 4)))
    assert made.wait_update(soon()) == (Rect(0, 0, 2, 2),)
    assert (made.width, made.height) == (2, 2)
    assert stream.sent.endswith(struct.pack(">BBHHHH", 3, 0, 0, 0, 2, 2))
    made.wait_update(soon())
    assert rows(made.picture()) == [[3, 3], [3, 3]]


def test_what_is_not_the_picture_is_read_over() -> None:
    noise = b"\x02" + struct.pack(">BxHH", 1, 0, 2) + bytes(12) + struct.pack(">BxxxI", 3, 3) + "né!".encode("latin-1")
    made, _ = client(noise + update(rect(0, 0, 1, 1, 0, pixel(9, 0, 0))))
    assert made.wait_update(soon()) == (Rect(0, 0, 1, 1),)
    assert made.cut_text == "né!"


def test_keys_pointer_and_text_go_out_as_the_protocol_says() -> None:
    made, stream = client()
    stream.sent = b""
    made.key(0xFF0D, True)
    made.key(0xFF0D, False)
    made.pointer(3, 2, 1)
    made.send_cut_text("é€")
    assert stream.sent == (
        bytes([4, 1, 0, 0, 0, 0, 0xFF, 0x0D, 4, 0, 0, 0, 0, 0, 0xFF, 0x0D])
        + bytes([5, 1, 0, 3, 0, 2])
        + bytes([6, 0, 0, 0, 0, 0, 0, 2, 0xE9, 0x3F])
    )


def test_updates_asks_each_time_and_ends_when_nothing_comes() -> None:
    one = update(rect(0, 0, 1, 1, 0, pixel(1, 0, 0)))
    made, stream = client(one, one)
    stream.sent = b""
    assert list(made.updates(0.01)) == [(Rect(0, 0, 1, 1),)] * 2
    assert stream.sent == struct.pack(">BBHHHH", 3, 1, 0, 0, 4, 3) * 3


def test_nothing_in_time_is_none_and_the_connection_stays_whole() -> None:
    made, stream = client()
    assert made.wait_update(time.monotonic() + 0.01) is None
    stream.data = update(rect(0, 0, 1, 1, 0, pixel(1, 0, 0)))
    assert made.wait_update(soon()) == (Rect(0, 0, 1, 1),)


def test_a_message_that_stops_halfway_ends_the_connection() -> None:
    made, _ = client(update(rect(0, 0, 4, 3, 0, bytes(20))))
    with pytest.raises(RfbTimeoutError):
        made.wait_update(soon())
    with pytest.raises(RfbError, match="cannot be used"):
        made.wait_update(soon())
    with pytest.raises(RfbError, match="cannot be used"):
        made.key(32, True)


def test_no_frame_in_time_is_an_error() -> None:
    made, _ = client()
    with pytest.raises(RfbError, match=r"no picture within 0\.01 s"):
        made.frame(timeout=0.01)


def refuse(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (b"HTTP/1.1 400", "not an RFB server"),
        (b"RFB 003.003\n", "RFB 3.3"),
        (b"RFB 003.008\n\x00" + refuse(b"too many"), "refuses: too many"),
        (b"RFB 003.008\n\x01\x10", "authentication"),
        (b"RFB 003.008\n\x01\x02", "authentication"),
        (b"RFB 003.008\n\x01\x01\x00\x00\x00\x01" + refuse(b"go away"), "refuses: go away"),
        (b"RFB 003.008\n\x00\xff\xff\xff\xff", "4294967295 bytes"),
        (init(0, 10), "0x10"),
        (init(65535, 65535), "65535x65535"),
        (init(16384, 16384), "16384x16384"),
        (init(4, 3)[:-4] + b"", "ended"),
    ],
)
def test_a_server_that_cannot_be_served(said: bytes, match: str) -> None:
    stream = Played(said)
    with pytest.raises(RfbError, match=match):
        Client(stream)
    assert stream.closed


def test_vnc_authentication_asks_for_an_answer() -> None:
    stream = Played(b"RFB 003.008\n\x02\x10\x02" + bytes(range(16)) + init(4, 3)[14:], stalls=True)
    Client(stream, answer=lambda challenge: challenge[::-1])
    assert stream.sent.startswith(b"RFB 003.008\n\x02" + bytes(range(15, -1, -1)) + b"\x01")


@pytest.mark.parametrize(
    "message",
    [
        b"\x09",
        update(rect(3, 0, 2, 1, 0, bytes(8))),
        update(rect(0, 0, 1, 1, 1, struct.pack(">HH", 4, 0))),
        update(rect(0, 0, 1, 1, 7)),
        update(rect(0, 0, 0, 0, -223)),
        update(rect(0, 0, 1, 1, 6, b"\xff\xff\xff\xff")),
        update(rect(0, 0, 1, 1, 6, b"\x00\x00\x00\x04junk")),
        struct.pack(">BxxxI", 3, 1 << 30),
    ],
)
def test_what_makes_no_sense_is_an_error(message: bytes) -> None:
    made, _ = client(message)
    with pytest.raises(RfbError):
        made.wait_update(soon())
