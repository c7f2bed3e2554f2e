"""Whether two pictures show the same desktop, whatever its clock, its cursor and its windows say.

Wallpapers tell little: many desktops have the same. Bars tell much, and windows seldom cover them: so what counts is, along
each edge of the screen, the small squares in which there is something to be seen. docs/decisions/keep.md has the figures.
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

BAR = 40
"""So many squares with something in them along an edge, in one of the pictures, make a bar; without a bar the whole counts."""

EDGES = 0.15
"""Share of a bar's squares that must agree."""

TILES, NEAR, ALL = (64, 40), 24, 0.15
"""Over the whole picture, divided in so many tiles, whose mean colours may be so far apart, this share must agree."""


@dataclass(frozen=True)
class Likeness:
    """Shares (0 to 1) that agree: of what is to be seen along the edges with bars, and of the whole."""

    edges: float
    whole: float

    @property
    def alike(self) -> bool:
        """Whether that is enough."""
        return self.edges >= EDGES and self.whole >= ALL


def likeness(one: Image.Image, other: Image.Image) -> Likeness:
    """How alike the two are; of different sizes they are not."""
    if one.size != other.size:
        return Likeness(0.0, 0.0)
    one, other = one.convert("RGB"), other.convert("RGB")
    return Likeness(_detail(one, other), _tiles(one, other))


def _detail(one: Image.Image, other: Image.Image) -> float:
    """The share of squares that agree, along that edge with a bar where it is least."""
    width, height = one.size
    edges: dict[str, _Edge] = {}
    for y in range(0, height - CELL + 1, CELL):
        for x in range(0, width - CELL + 1, CELL):
            box = (x, y, x + CELL, y + CELL)
            first, second = one.crop(box), other.crop(box)
            busy = _busy(first), _busy(second)
            if any(busy):
                mean = sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3
                distances = {"left": x, "top": y, "right": width - CELL - x, "bottom": height - CELL - y}
                nearest = min(distances, key=lambda edge: distances[edge])
                name = nearest if distances[nearest] < STRIP else "inner"
                edges.setdefault(name, _Edge()).add(busy, same=mean < SAME)
    bars = [edge for name, edge in edges.items() if name != "inner" and max(edge.busy) >= BAR]
    judged = bars or [sum(edges.values(), _Edge())]
    return min(edge.share for edge in judged)


@dataclass
class _Edge:
    """Squares with something in them: in the first picture, in the other, in one of them, and those that agree."""

    busy: tuple[int, int] = (0, 0)
    either: int = 0
    same: int = 0

    def add(self, busy: tuple[bool, bool], *, same: bool) -> None:
        self.busy = (self.busy[0] + busy[0], self.busy[1] + busy[1])
        self.either += 1
        self.same += same

    def __add__(self, other: _Edge) -> _Edge:
        busy = (self.busy[0] + other.busy[0], self.busy[1] + other.busy[1])
        return _Edge(busy, self.either + other.either, self.same + other.same)

    @property
    def share(self) -> float:
        return self.same / self.either if self.either else 1.0


def _busy(cell: Image.Image) -> bool:
    return any(high - low > DETAIL for low, high in cell.getextrema())  # type: ignore[misc]


def _tiles(one: Image.Image, other: Image.Image) -> float:
    small = [picture.resize(TILES, Image.Resampling.BOX) for picture in (one, other)]
    channels = ImageChops.difference(*small).split()
    worst = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    histogram = worst.histogram()
    return float(sum(histogram[: NEAR + 1]) / sum(histogram))
