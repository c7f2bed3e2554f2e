"""What a desktop looks like once it is done starting, so that its first full frame can be told without knowing its layout."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PIL import Image, ImageChops

from modulux.errors import NotReadyError
from modulux.rfb import Area, Client, Picture
from modulux.rfb.picture import pixels

FILLED: tuple[Area, ...] = ((0, 0, "60%", 26), (0, 36, 120, 240))
"""Where Xfce has its panel (without the clock, which changes) and the icons on the desktop."""

PARTS: tuple[Area, ...] = (*FILLED, (0, "93%", "100%", "7%"), ("20%", "10%", "80%", "80%"))
"""What must look as it will stay: those, the lower edge, where it may have a second panel, and the background."""

SAME = 0.98
COLOURS = 24  # a bare background, or one without icons, has fewer
QUIET = 3.0  # seconds without a change: it is done
LONGEST = 60.0


@dataclass(frozen=True)
class Settled:
    """The parts of the picture of a desktop that is done starting."""

    parts: tuple[Image.Image, ...]

    @classmethod
    def seen_in(cls, picture: Picture) -> Settled:
        """What the picture shows, taken for settled."""
        return cls(_cut(picture))

    def shown_by(self, picture: Picture) -> bool:
        """Whether the picture is, in each of the parts, the settled one, but for some pixels (a blinking or moving thing)."""
        return all(_same(part, settled) >= SAME for part, settled in zip(_cut(picture), self.parts, strict=True))


def settle(client: Client) -> Settled:
    """Watch until there is a panel and icons and nothing has changed for some seconds; what it looks like then.

    Raises:
        NotReadyError: it did not come to that, so nothing can be measured by it.
    """
    deadline = time.monotonic() + LONGEST
    client.frame(timeout=LONGEST)
    while time.monotonic() < deadline:
        client.request()
        picture = client.picture()
        if client.wait_update(time.monotonic() + QUIET) is None and is_filled(picture):
            return Settled.seen_in(picture)
    raise NotReadyError(f"the desktop to compare with was not drawn, or never came to rest, within {LONGEST:g} s")


def is_filled(picture: Picture) -> bool:
    """Whether there is a panel and icons: it may not be done yet, but it has begun."""
    return all(picture.colours(area) >= COLOURS for area in FILLED)


def wait_shown(client: Client, settled: Settled, timeout: float = 60.0) -> None:
    """Return with the first frame that shows the desktop as it will stay.

    Raises:
        NotReadyError: it did not come to that.
    """
    deadline = time.monotonic() + timeout
    client.request(incremental=False)
    while client.wait_update(deadline) is not None:
        client.request()
        if settled.shown_by(client.picture()):
            return
    raise NotReadyError(f"the desktop was not drawn as before within {timeout:g} s")


def _cut(picture: Picture) -> tuple[Image.Image, ...]:
    image = picture.image()
    return tuple(image.crop(pixels(area, picture.width, picture.height)) for area in PARTS)


def _same(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that are equal."""
    grey = ImageChops.difference(one, other).convert("L", (1 / 3, 1 / 3, 1 / 3, 0)).point(lambda value: 255 if value else 0)
    return grey.histogram()[0] / (one.width * one.height)
