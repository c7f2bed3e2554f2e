"""What stands on a text console, read out of a picture of it by the letters that the kernel draws with."""

from __future__ import annotations

import struct
from pathlib import Path

import zstandard
from PIL import Image

A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
"""The letter in the kernel's font (lib/fonts/font_8x16.c): by it the font is found."""

WIDTH, HEIGHT = 8, 16
GREY = 60


def font(kernel: Path) -> bytes:
    """The 256 letters of 8x16 pixels of a bzImage, whose packed part lies where its head says (Documentation/arch/x86/boot.rst)."""
    image = kernel.read_bytes()
    offset, size = struct.unpack_from("<II", image, 0x248)
    begin = (image[0x1F1] + 1) * 512 + offset
    unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(image[begin : begin + size])
    at = unpacked.find(A) - HEIGHT * ord("A")
    assert at >= 0, f"{kernel} has no such font"
    return unpacked[at : at + 256 * HEIGHT]


def read(picture: Image.Image, letters: bytes) -> list[str]:
    """Its lines; what is no ASCII letter is `?`."""
    known = {letters[code * HEIGHT : (code + 1) * HEIGHT]: chr(code) for code in range(ord("~"), ord(" ") - 1, -1)}
    lit = picture.convert("L").point(lambda grey: 255 * (grey > GREY)).convert("1")

    def letter(x: int, y: int) -> str:
        return known.get(lit.crop((x, y, x + WIDTH, y + HEIGHT)).tobytes(), "?")

    rows = range(0, picture.height - HEIGHT + 1, HEIGHT)
    return ["".join(letter(x, y) for x in range(0, picture.width - WIDTH + 1, WIDTH)).rstrip() for y in rows]
