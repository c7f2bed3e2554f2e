"""What bench makes of what it measured: medians, ratios pair by pair, goals, JSON and the picture."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from modulux.bench import FIGURES, Figure, Goal, Options, Results, Row, Series, measure, svg, usual
from modulux.bench.fat import PARTS, packages
from modulux.bench.figures import table
from modulux.engine.memory import pss
from modulux.engine.podman import Podman
from modulux.errors import BuildError, UsageError
from modulux.paths import shipped

START = Figure(
    "start",
    "Start <& stop>",
    "s",
    (Row("ours", Series((2.0, 1.0, 3.0)), extra={"ratio": 0.5}), Row("fat", Series((4.0, 4.0, 4.0)), ours=False)),
    (Goal("of the fat container's", 0.5, 0.6, "x"), Goal("p50", 9.0, 8, " ms")),
    ("a note",),
)
MANY = Figure("many", "Many", "s", (Row("start", Series((1.0, 1.2))), Row("memory", Series((100.0, 90.0)))), running=True)
RESULTS = Results({"cpus": 2, "memory": 24 * 1024**3, "kernel": "6.1", "engine": "podman 4.3.1"}, (START, MANY))


def test_a_series() -> None:
    series = Series((5.0, 1.0, 3.0))
    assert (series.median, series.low, series.high) == (3.0, 1.0, 5.0)
    assert Series(tuple(float(n) for n in range(1, 201))).percentile(0.99) == 198
    assert Series((7.0,)).percentile(0.99) == 7


def test_what_was_measured_in_the_same_round_is_compared() -> None:
    # A machine that was slow in the second round tells nothing about either.
    assert Series((1.0, 10.0, 1.0)).over(Series((2.0, 20.0, 2.0))).values == (0.5, 0.5, 0.5)
    assert Series((1.5, 10.5)).minus(Series((1.0, 10.0))).values == (0.5, 0.5)
    with pytest.raises(ValueError, match="shorter"):
        Series((1.0, 2.0)).over(Series((1.0,)))


def test_goals() -> None:
    assert [str(goal) for goal in RESULTS.missed] == ["p50: 9.00 ms (at most 8.00 ms)"]
    assert Goal("just", 0.6, 0.6).met


def test_json_holds_all_of_it() -> None:
    data = json.loads(json.dumps(RESULTS.to_json()))
    start = data["figures"]["start"]
    assert data["machine"]["cpus"] == 2
    assert start["rows"][0] == {
        "name": "ours",
        "ours": True,
        "median": 2,
        "min": 1,
        "max": 3,
        "values": [2, 1, 3],
        "ratio": 0.5,
    }
    assert [goal["met"] for goal in start["goals"]] == [True, False]
    assert start["notes"] == ["a note"]


def test_a_table_for_the_terminal() -> None:
    assert table(START)[0] == ("ours", "2.00 s", "1.00 to 3.00")


def test_the_picture_is_svg_that_shows_every_row_and_goal() -> None:
    root = ET.fromstring(svg(RESULTS))
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{space}text")]
    for expected in ("Start <& stop>", "ours  0.50x", "fat", "2.00 s", "✗ p50: 9.00 ms (at most 8.00 ms)", "a note", "Many"):
        assert expected in texts
    bars = [float(e.attrib["width"]) for e in root.iter(f"{space}rect") if e.attrib["class"] in ("ours", "other")]
    assert bars[1] == pytest.approx(2 * bars[0], abs=0.2)
    height = float(root.attrib["height"])
    assert all(float(e.attrib["y"]) < height for e in root.iter(f"{space}text"))


def test_the_fat_container_gets_the_modules_own_packages() -> None:
    found = packages(shipped("modules"))
    assert {"xvfb", "x11vnc", "xfce4-session", "xfwm4", "thunar", "libgl1-mesa-dri"} <= set(found)
    assert not [word for word in found if word.startswith("-") or "/" in word]


def test_packages_that_cannot_be_found_are_an_error(tmp_path: Path) -> None:
    (tmp_path / PARTS[0]).mkdir(parents=True)
    (tmp_path / PARTS[0] / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    with pytest.raises(BuildError, match="base/graphics"):
        packages(tmp_path)


def test_an_unknown_figure_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="no figure `speed`") as caught:
        measure(Podman(program="/nonexistent"), Options(figures=["start", "speed"]), lambda _: None)
    assert caught.value.hint == f"there are: {', '.join(FIGURES)}"


def test_memory_is_read_from_the_kernel() -> None:
    gone = 2**22 + 1  # above the largest process number there can be
    mine = pss([os.getpid(), gone])
    assert 5_000_000 < mine < 5_000_000_000
    assert pss([gone]) == 0


@pytest.mark.parametrize(
    ("user", "rsync", "there"), [(0, "/usr/bin/rsync", True), (1000, "/usr/bin/rsync", False), (0, None, False)]
)
def test_what_cannot_be_had_here_is_measured_only_when_named(
    monkeypatch: pytest.MonkeyPatch, user: int, rsync: str | None, there: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("shutil.which", lambda _: rsync)
    assert ("storage" in usual()) is there
    assert {*usual(), "storage"} == set(FIGURES)
