"""How bench tells pictures apart through a viewer, and keys that arrived from those that did not."""

from __future__ import annotations

import io
import struct
import time
import zlib

import pytest
from PIL import Image
from tests.support.rfb_script import Played, init, rect, update

from modulux.bench import added, viewers
from modulux.bench.watch import BITS, CURSOR, LAST_RECT, NUMBERS, TIGHT, Numbers, RfbWatch, Strips
from modulux.errors import NotReadyError, RfbError

WIDTH, HEIGHT, SQUARE = 208, 96, 16
STRIPS = Strips(left=8, step=SQUARE, top=8, bottom=88, ahead=3)


def squares(top: int, bottom: int) -> Image.Image:
    """A picture with both numbers."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (40, 90, 200))
    for y, number in ((0, top), (80, bottom)):
        for bit in range(BITS):
            colour = (255, 255, 255) if number >> BITS - 1 - bit & 1 else (0, 0, 0)
            picture.paste(colour, (bit * SQUARE, y, (bit + 1) * SQUARE, y + 16))
    return picture


def length(size: int) -> bytes:
    """Tight's own way to say how many bytes come."""
    if size < 0x80:
        return bytes([size])
    if size < 0x4000:
        return bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])


class Packer:
    """Packs pixels as one of Tight's four streams, which goes on from rectangle to rectangle."""

    def __init__(self) -> None:
        self.stream = zlib.compressobj()

    def __call__(self, data: bytes) -> bytes:
        packed = self.stream.compress(data) + self.stream.flush(zlib.Z_SYNC_FLUSH)
        return length(len(packed)) + packed


def whole(data: bytes) -> bytes:
    return rect(0, 0, WIDTH, HEIGHT, TIGHT, data)


def jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=60)
    return b"\x90" + length(len(file.getvalue())) + file.getvalue()


def palette(picture: Image.Image, pack: Packer) -> bytes:
    few = picture.quantize(3)
    colours = (few.getpalette() or [])[: 3 * 3]
    return b"\x50\x01\x02" + bytes(colours) + pack(few.tobytes())


def test_numbers_are_read_from_every_kind_of_rectangle() -> None:
    copied, indexed = Packer(), Packer()
    black_white = squares(0, 0).convert("1")
    strip = rect(
        0,
        80,
        BITS * SQUARE,
        16,
        TIGHT,
        b"\x60\x01\x01\x00\x00\x00\xff\xff\xff"
        + Packer()(squares(0, 77).crop((0, 80, BITS * SQUARE, 96)).convert("1").tobytes()),
    )
    stream = Played(
        init(WIDTH, HEIGHT)
        + update(whole(b"\x00" + copied(squares(10, 13).tobytes())))
        + update(whole(b"\x00" + copied(squares(11, 14).tobytes())))
        + update(whole(palette(squares(20, 24), indexed)), rect(0, 0, 8, 8, CURSOR, bytes(8 * 8 * 4 + 8)))
        + update(whole(jpeg(squares(NUMBERS - 2, 1))))
        + update(strip)
        + b"\x02"  # a bell
        + b"\x00\x00\xff\xff" + whole(b"\x80\xff\xff\xff") + rect(0, 0, 0, 0, LAST_RECT)
        + update(rect(0, 0, WIDTH, HEIGHT, 0, black_white.convert("RGBA").tobytes())),
        chunk=1000,
        stalls=True,
    )  # fmt: skip
    whole_length = len(stream.data)
    watch = RfbWatch(stream, STRIPS)
    seen = []
    while watch.update(time.monotonic() + 1):
        seen.append(watch.numbers.read())
    assert seen == [(13, True), (14, True), (24, False), (1, True), (77, False), (NUMBERS - 1, False), (0, False)]
    assert watch.received == whole_length
    asked = struct.pack(">BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT)
    assert asked in stream.sent
    watch.close()
    assert stream.closed


def test_what_is_not_tight_is_refused() -> None:
    for data, says in ((b"\xf0", "unknown kind 15"), (b"\x40\x07", "unknown filter 7"), (b"\x00\x03abc", "cannot be unpacked")):
        watch = RfbWatch(Played(init(WIDTH, HEIGHT) + update(whole(data))), STRIPS)
        with pytest.raises(RfbError, match=says):
            watch.update(time.monotonic() + 1)
    with pytest.raises(RfbError):
        RfbWatch(Played(b"RFB 003.008\n\x01\x02"), STRIPS)


class Counting:
    """A viewer whose pictures carry every other number; one of them is put together from two."""

    def __init__(self, pause: float) -> None:
        self.numbers = Numbers(STRIPS)
        self.received = 0
        self.shown = 4090
        self.pause = pause

    def update(self, deadline: float) -> bool:
        time.sleep(self.pause)
        self.received += 1000
        self.shown += 2
        torn = self.shown == 4100
        self._draw(squares((self.shown - STRIPS.ahead - torn) % NUMBERS, self.shown % NUMBERS))
        return time.monotonic() < deadline

    def _draw(self, picture: Image.Image) -> None:
        from modulux.rfb import Rect

        data, width = picture.tobytes(), picture.width

        def pixel(place: tuple[int, int]) -> tuple[int, int, int]:
            at = (place[1] * width + place[0]) * 3
            return data[at], data[at + 1], data[at + 2]

        self.numbers.put(Rect(0, 0, width, picture.height), pixel)

    def close(self) -> None: ...


def test_pictures_are_counted_second_by_second() -> None:
    seen = viewers.Seen()
    spent = iter(range(10))
    viewers.look(Counting(0.02), lambda: next(spent) / 10, 1, seen)
    (frames,), (made,), (cost,) = seen.frames, seen.made, seen.cost
    assert 5 <= frames <= 50
    assert made == pytest.approx(2 * frames)
    assert cost == pytest.approx(100 / round(frames), rel=0.2)
    assert seen.torn == 1
    assert seen.received >= 1000 * (round(frames) - 1)


def test_a_picture_without_numbers_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    still = Counting(0.01)
    still.update(time.monotonic() + 1)
    monkeypatch.setattr(still, "update", lambda _: True)
    with pytest.raises(NotReadyError, match="go up"):
        viewers._moving(still, timeout=0.2)


def test_the_numbers_go_round() -> None:
    assert viewers._step(NUMBERS - 1, 2) == 3
    assert viewers._step(2, NUMBERS - 1) == -3


def keys(letters: str, start: float = 0.0) -> list[tuple[str, float]]:
    return [(letter, start + n) for n, letter in enumerate(letters)]


def test_keys_that_arrived_and_those_that_did_not() -> None:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    sent = keys(alphabet * 3)
    came = [(letter, when + 0.25) for letter, when in sent]
    took, more = added.arrived(sent, came)
    assert (took, more) == ([0.25] * 78, 0)
    took, more = added.arrived(sent, came[:30] + came[50:])
    assert [n for n, seconds in enumerate(took) if seconds is None] == list(range(30, 50))
    assert more == 0
    took, more = added.arrived(sent, [*came[:5], (came[4][0], 5.0), *came[5:]])
    assert (took, more) == ([0.25] * 78, 1)
    assert added.arrived(sent, []) == ([None] * 78, 0)
    whole = added.Arrived.of(added.arrived(sent, came[:-2])[0], 4)
    assert (len(whole.seconds), whole.lost, whole.more) == (76, 2, 4)
