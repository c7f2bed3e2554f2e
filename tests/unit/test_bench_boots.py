"""A boot is measured by what the screen showed, and drawn by what PID 1 said."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from modulux.bench import boots
from modulux.bench.boots import Watch
from modulux.bench.settled import FILLED
from modulux.bench.timeline import spans, svg
from modulux.machine.running import Running
from modulux.rfb.picture import pixels

SAID = [(2.0, "PID 1"), (3.0, "drivers for disks"), (3.5, "mounted"), (4.0, "planned"), (5.0, "started m.d.xorg"), (9.0, "started m.d.xfce"),
        (9.5, "ready m.d.xorg"), (20.0, "ready m.d.xfce"), (20.1, "desktop ready"), (21.0, "started m.d.late")]  # fmt: skip


def screen(folder: Path, name: str, *, panel: bool, wallpaper: int) -> Path:
    image = Image.new("RGB", (400, 300), (0, 0, wallpaper))
    for area in FILLED if panel else ():
        left, top, right, bottom = pixels(area, 400, 300)
        for x in range(left, right):
            for y in range(top, bottom):
                image.putpixel((x, y), (x % 256, y % 256, 90))
    path = folder / f"{name}.ppm"
    image.save(path)
    return path


def test_it_is_drawn_with_the_first_picture_that_looks_as_it_stayed(tmp_path: Path) -> None:
    watch = Watch(cast("Running", None), 0.0)
    watch._note(1.0, screen(tmp_path, "console", panel=False, wallpaper=0))
    assert watch.seen == []
    watch._note(2.0, screen(tmp_path, "begun", panel=True, wallpaper=0))
    watch._note(3.0, screen(tmp_path, "done", panel=True, wallpaper=200))
    watch._note(4.0, screen(tmp_path, "same", panel=True, wallpaper=200))
    assert [at for at, _ in watch.seen] == [2.0, 3.0]
    assert watch.drawn() == 3.0


def test_memory_in_use_is_what_nobody_else_could_have() -> None:
    early, late = (f"MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: {free} kB\n" for free in (900, 600))
    assert boots._used(early + late) == 400 * 1024


def test_each_part_waits_and_then_takes_its_time() -> None:
    found = {span.name: (span.waited, span.started, span.ready) for span in spans(SAID)}
    assert found["firmware, kernel"] == (0.0, 0.0, 2.0)
    assert found["plan"] == (3.5, 3.5, 4.0)
    assert found["xorg"] == (4.0, 5.0, 9.5)
    assert found["xfce"] == (4.0, 9.0, 20.0)
    assert found["late"] == (4.0, 21.0, 21.0)  # never ready: as long as is known


@pytest.mark.parametrize("said", [SAID, []])
def test_the_picture_is_one(said: list[tuple[float, str]]) -> None:
    drawn = ET.fromstring(svg("A boot <of> a machine", said, [(9.0, "clients"), (20.0, "drawn")]))
    texts = ["".join(text.itertext()) for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "A boot <of> a machine" in texts
    assert "drawn 20.0 s" in texts
    assert ("xfce" in texts) == bool(said)
