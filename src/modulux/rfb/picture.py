"""A picture of a desktop, and whether its areas are drawn: how many colours they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

Area = Sequence[int | str]


class Drawn(Protocol):
    """A condition on the picture: the area holds at least so many distinct colours (a contract's `ready: drawn:`)."""

    @property
    def area(self) -> Area:
        """x, y, width, height: pixels, or a share of the screen's width or height as "50%"."""

    @property
    def colours(self) -> int: ...

    @property
    def behind(self) -> bool:
        """Whether windows may cover it once it has been seen."""


def pixels(area: Area, width: int, height: int) -> tuple[int, int, int, int]:
    """An area in pixels (left, top, right, bottom), cut to a screen of this size.

    Args:
        area: x, y, width, height, each a number of pixels or a share of the screen as "50%".
        width: the screen's, in pixels.
        height: the screen's, in pixels.

    Raises:
        ValueError: it has not four parts, or one of them is neither.
    """
    if len(area) != 4:
        raise ValueError(f"an area is [x, y, width, height], not {list(area)}")
    x, y, w, h = (_length(part, whole) for part, whole in zip(area, (width, height, width, height), strict=True))
    return min(x, width), min(y, height), min(x + w, width), min(y + h, height)


def _length(part: int | str, whole: int) -> int:
    try:
        share = isinstance(part, str) and part.endswith("%")
        value = int(whole * float(str(part)[:-1]) / 100) if share else int(part)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{part!r} is neither a number of pixels nor a share as '50%'") from error
    if value < 0:
        raise ValueError(f"{part!r} in an area is less than nothing")
    return value


@dataclass(frozen=True)
class Picture:
    """`width` by `height` pixels; `data` has four bytes for each, blue first (BGRX), as they came over RFB."""

    width: int
    height: int
    data: bytes

    def image(self) -> Image.Image:
        """The picture for Pillow, mode RGB."""
        return Image.frombuffer("RGB", (self.width, self.height), self.data, "raw", "BGRX", 0, 1)

    @property
    def rgb(self) -> bytes:
        """Three bytes for each pixel, red first."""
        return self.image().tobytes()

    def save(self, path: Path | str) -> None:
        """Write it to a file, in the format that the name ends in (PNG without one)."""
        self.image().save(path, None if Path(path).suffix else "PNG")

    def colours(self, area: Area = (0, 0, "100%", "100%")) -> int:
        """How many distinct colours the area holds; 0 if none of it is on the screen."""
        part = self._cut(area)
        if part is None:
            return 0
        found = part.getcolors(part.width * part.height)
        assert found is not None  # there are no more colours than pixels
        return len(found)

    def is_drawn(self, areas: Iterable[Drawn]) -> bool:
        """Whether each area holds at least as many colours as it says. Stops counting as soon as that is known."""
        return self.undrawn(areas) is None

    def undrawn(self, areas: Iterable[Drawn]) -> Drawn | None:
        """The first of the areas that is not drawn yet, or None."""
        for drawn in areas:
            if drawn.colours <= 0:
                continue
            part = self._cut(drawn.area)
            # getcolors gives up, and returns None, when there are more colours than it was allowed.
            if part is None or part.getcolors(drawn.colours - 1) is not None:
                return drawn
        return None

    def _cut(self, area: Area) -> Image.Image | None:
        left, top, right, bottom = pixels(area, self.width, self.height)
        if right <= left or bottom <= top:
            return None
        line = self.width * 4
        lines = self.data[top * line : bottom * line]  # only these are turned into RGB
        whole = Image.frombuffer("RGB", (self.width, bottom - top), lines, "raw", "BGRX", 0, 1)
        return whole.crop((left, 0, right, bottom - top))
