"""The areas of RFB's updates: how many bytes each takes, without decoding the picture.

Only encodings whose size can be told so are asked of the viewer. These are all that good clients prefer: ZRLE, Tight, zlib,
H.264, and those that are about the cursor, the size, the name and the keys.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from gateway.messages import Grammar, LostError

LAST, BUTTONS = -224, -316
"""The mark of an update's end; and that pointer messages may have a byte more."""

_MOST = 1 << 28  # bytes; whoever says more has been misunderstood


class Pixels:
    """A pixel format: how many bytes a pixel takes, plainly and in Tight."""

    def __init__(self, form: bytes) -> None:
        bits, depth, _, true_colour, red, green, blue = struct.unpack(">BBBBHHH6x", form)
        if bits not in {8, 16, 32}:
            raise LostError(f"pixels of {bits} bits")
        self.size = bits // 8
        packed = true_colour and (bits, depth, red, green, blue) == (32, 24, 255, 255, 255)
        self.tight = 3 if packed else self.size


Area = Callable[[int, int, Pixels], Grammar]


def number(field: bytes) -> int:
    """A size that is led by nothing but itself. Raises LostError when it cannot be one."""
    size = int.from_bytes(field)
    if size > _MOST:
        raise LostError(f"something of {size} bytes")
    return size


def _mask(width: int, height: int) -> int:
    return (width + 7) // 8 * height


def _fixed(count: int) -> Area:
    def area(_width: int, _height: int, _pixels: Pixels) -> Grammar:
        yield -count

    return area


def _counted(more: int = 0) -> Area:
    def area(_width: int, _height: int, _pixels: Pixels) -> Grammar:
        yield -number((yield 4)) - more

    return area


def _raw(width: int, height: int, pixels: Pixels) -> Grammar:
    yield -width * height * pixels.size


def _cursor(width: int, height: int, pixels: Pixels) -> Grammar:
    yield -(width * height * pixels.size + _mask(width, height))


def _two_colours(width: int, height: int, _pixels: Pixels) -> Grammar:
    yield -(6 + 2 * _mask(width, height)) if width * height else 0


def _alpha_cursor(width: int, height: int, _pixels: Pixels) -> Grammar:
    if (yield 4) != bytes(4):
        raise LostError("a cursor that is not raw")
    yield -width * height * 4


def _vmware_cursor(width: int, height: int, pixels: Pixels) -> Grammar:
    yield -width * height * (4 if (yield 2)[0] else 2 * pixels.size)


def _screens(_width: int, _height: int, _pixels: Pixels) -> Grammar:
    yield -16 * (yield 4)[0]


def _tight(width: int, height: int, pixels: Pixels) -> Grammar:
    control = (yield 1)[0] >> 4
    if control == 8:  # one colour
        yield -pixels.tight
    elif control in {9, 10}:  # JPEG, PNG
        yield from _compact()
    elif control < 8:
        size = width * height * pixels.tight
        if control & 4:
            size = yield from _filtered(width, height, pixels)
        if size < 12:
            yield -size
        else:
            yield from _compact()
    else:
        raise LostError(f"Tight's compression {control}")


def _filtered(width: int, height: int, pixels: Pixels) -> Grammar:
    """Tight's filter; returns the size of what follows, before compression."""
    kind = (yield 1)[0]
    if kind in {0, 2}:
        return width * height * pixels.tight
    if kind != 1:
        raise LostError(f"Tight's filter {kind}")
    colours = (yield 1)[0] + 1  # a palette
    yield -colours * pixels.tight
    return _mask(width, height) if colours == 2 else width * height


def _compact() -> Grammar:
    """Data led by its size in one to three bytes: of the first two, the highest bit says that another follows."""
    size = 0
    for shift in (0, 7, 14):
        byte = (yield 1)[0]
        size |= (byte if shift == 14 else byte & 0x7F) << shift
        if byte < 0x80:
            break
    yield -size


AREAS: dict[int, Area] = {
    7: _tight,
    -260: _tight,  # with PNG
    16: _counted(),  # ZRLE
    17: _counted(),  # the same with loss
    6: _counted(),  # zlib
    50: _counted(4),  # H.264
    0: _raw,
    1: _fixed(4),  # a copy of another area
    -239: _cursor,
    -240: _two_colours,
    -314: _alpha_cursor,
    0x574D5664: _vmware_cursor,
    0x574D5666: _fixed(0),  # where the pointer is
    -232: _fixed(0),  # the same
    -223: _fixed(0),  # the size
    -308: _screens,
    -307: _counted(),  # the name
    -261: _fixed(1),  # the keyboard's lights
    0x574D5668: _fixed(4),  # the same
    -258: _fixed(0),  # keys may come with their codes
    BUTTONS: _fixed(0),
}
"""What an area of each encoding holds after its place, size and encoding."""

WISHES = {-312, -313, LAST, *range(-32, -22), *range(-256, -246), *range(-512, -411), *range(-768, -762)}
"""What a client may ask for that is no area: fences, updates that come by themselves, quality and compression."""
