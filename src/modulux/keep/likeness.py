"""Whether two pictures show the same desktop, whatever its clock, its cursor and its windows say.

Wallpapers tell little: many desktops have the same. Bars tell much, and windows seldom cover all of them: so what counts is the
small squares along the edges of the screen in which there is something to be seen. docs/decisions/keep.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageChops, ImageStat

CELL = 8
"""Pixels along a square's side."""

STRIP = 48
"""Pixels from the edge in which bars lie."""

DETAIL = 40
"""A square has something in it when a channel's values are so far apart (0 to 255)."""

SAME = 8
"""Two squares agree when their mean difference is below this (0 to 255)."""

FEW = 30
"""With fewer squares than these along the edges, the whole picture is looked at."""

EDGES = 0.18
"""Share of the squares that must agree. Of one desktop with other windows open 0.20 and more do; of two kinds 0.12 and less."""

TILES, NEAR, ALL = (64, 40), 24, 0.15
"""Over the whole picture, divided in so many tiles, whose mean colours may be so far apart, this share must agree."""


@dataclass(frozen=True)
class Likeness:
    """Shares (0 to 1) that agree: of what is to be seen along the edges, and of the whole; and whether that is enough."""

    edges: float
    whole: float

    @property
    def alike(self) -> bool:
        return self.edges >= EDGES and self.whole >= ALL


def likeness(one: Image.Image, other: Image.Image) -> Likeness:
    """How alike the two are; of different sizes they are not."""
    if one.size != other.size:
        return Likeness(0.0, 0.0)
    one, other = one.convert("RGB"), other.convert("RGB")
    return Likeness(_detail(one, other), _tiles(one, other))


def _detail(one: Image.Image, other: Image.Image) -> float:
    width, height = one.size
    edges: list[bool] = []
    inner: list[bool] = []
    for y in range(0, height - CELL + 1, CELL):
        for x in range(0, width - CELL + 1, CELL):
            border = min(x, y, width - CELL - x, height - CELL - y) < STRIP
            box = (x, y, x + CELL, y + CELL)
            first, second = one.crop(box), other.crop(box)
            if _busy(first) or _busy(second):
                mean = sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3
                (edges if border else inner).append(mean < SAME)
    judged = edges if len(edges) >= FEW else edges + inner
    return sum(judged) / len(judged) if judged else 1.0


def _busy(cell: Image.Image) -> bool:
    return any(high - low > DETAIL for low, high in cell.getextrema())  # type: ignore[misc]


def _tiles(one: Image.Image, other: Image.Image) -> float:
    small = [picture.resize(TILES, Image.Resampling.BOX) for picture in (one, other)]
    channels = ImageChops.difference(*small).split()
    worst = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    histogram = worst.histogram()
    return float(sum(histogram[: NEAR + 1]) / sum(histogram))
