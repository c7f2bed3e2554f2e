"""Telling the first full frame: it must look as the desktop does at rest."""

from __future__ import annotations

from modulux.bench.settled import PARTS, Settled, _cut
from modulux.rfb import Picture
from modulux.rfb.picture import pixels

WIDTH, HEIGHT = 400, 300


def picture(*painted: int) -> Picture:
    """Black, with the given ones of the parts painted."""
    data = bytearray(WIDTH * HEIGHT * 4)
    for number in painted:
        left, top, right, bottom = pixels(PARTS[number], WIDTH, HEIGHT)
        for y in range(top, bottom):
            for x in range(left, right):
                at = (y * WIDTH + x) * 4
                data[at : at + 3] = bytes([x % 256, y % 256, 90])
    return Picture(WIDTH, HEIGHT, bytes(data))


def test_only_the_picture_at_rest_will_do() -> None:
    settled = Settled(_cut(picture(0, 1, 2, 3)))
    assert settled.shown_by(picture(0, 1, 2, 3))
    assert not settled.shown_by(picture())
    for missing in range(len(PARTS)):
        assert not settled.shown_by(picture(*(n for n in range(len(PARTS)) if n != missing)))


def test_a_few_pixels_may_differ() -> None:
    settled = Settled(_cut(picture(0, 1, 2, 3)))
    shown = picture(0, 1, 2, 3)
    data = bytearray(shown.data)
    for x in range(200, 212):  # a pointer
        for y in range(150, 162):
            at = (y * WIDTH + x) * 4
            data[at : at + 3] = b"\xff\xff\xff"
    assert settled.shown_by(Picture(WIDTH, HEIGHT, bytes(data)))
