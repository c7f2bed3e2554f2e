"""Pictures: how many colours an area holds, and what counts as drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modulux.rfb import Area, Picture
from modulux.rfb.picture import pixels


@dataclass(frozen=True)
class Wanted:
    area: Area
    colours: int
    behind: bool = False


def picture(width: int = 10, height: int = 8, spare: int = 0) -> Picture:
    """Black, with a line at the top in which each pixel has a colour of its own; `spare` is the byte that means nothing."""
    data = bytearray(bytes([0, 0, 0, spare]) * (width * height))
    for x in range(width):
        data[x * 4] = x + 1
        data[x * 4 + 3] = x
    return Picture(width, height, bytes(data))


def test_counts_the_colours_of_an_area() -> None:
    made = picture()
    assert made.colours() == 11
    assert made.colours([0, 0, "100%", 1]) == 10
    assert made.colours([0, 1, "100%", "50%"]) == 1
    assert made.colours(["50%", 0, "50%", 2]) == 6
    assert made.colours([8, 0, 100, 100]) == 3  # cut to the screen
    assert made.colours([10, 0, 5, 5]) == 0
    assert made.colours([0, 0, 0, 5]) == 0


def test_the_byte_that_means_nothing_is_no_colour() -> None:
    assert Picture(2, 1, bytes([1, 2, 3, 0, 1, 2, 3, 255])).colours() == 1


def test_drawn_means_every_area_holds_its_colours() -> None:
    made = picture()
    line, below = Wanted([0, 0, "100%", 1], 10), Wanted([0, 1, "100%", 7], 1)
    assert made.is_drawn([])
    assert made.is_drawn([line, below])
    assert made.is_drawn([Wanted([50, 50, 1, 1], 0)])
    assert made.undrawn([line, Wanted([0, 0, "100%", 1], 11)]) == Wanted([0, 0, "100%", 1], 11)
    assert not made.is_drawn([Wanted([0, 1, "100%", 7], 2), line])
    assert not made.is_drawn([Wanted([50, 50, 1, 1], 1)])


@given(st.binary(min_size=4 * 12, max_size=4 * 12), st.integers(0, 14))
def test_drawn_agrees_with_the_count(data: bytes, colours: int) -> None:
    made = Picture(4, 3, data)
    assert made.is_drawn([Wanted([0, 0, "100%", "100%"], colours)]) == (made.colours() >= colours)


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        ([0, 0, "100%", 28], (0, 0, 1280, 28)),
        (["50%", "12.5%", "25%", "10"], (640, 100, 960, 110)),
        ([1270, 790, 100, 100], (1270, 790, 1280, 800)),
        ([2000, 900, 5, 5], (1280, 800, 1280, 800)),
    ],
)
def test_areas_in_pixels(area: Area, expected: tuple[int, int, int, int]) -> None:
    assert pixels(area, 1280, 800) == expected


@pytest.mark.parametrize(
    "area", [[0, 0, 1], [0, 0, 1, 1, 1], [-1, 0, 1, 1], [0, 0, "-5%", 1], ["x", 0, 1, 1], ["inf%", 0, 1, 1], ["nan%", 0, 1, 1]]
)
def test_areas_that_are_none(area: Area) -> None:
    with pytest.raises(ValueError, match=r"area|neither"):
        pixels(area, 1280, 800)


def test_saves_a_file_that_others_can_read(tmp_path: Path) -> None:
    for name in ("shot.png", "shot"):
        picture(spare=9).save(tmp_path / name)
        with Image.open(tmp_path / name) as read:
            assert read.format == "PNG"
            assert read.size == (10, 8)
            assert read.getpixel((4, 0)) == (0, 0, 5)
