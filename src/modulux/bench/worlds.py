"""GNOME and KDE Plasma on one screen: what they add to the disk beyond what every desktop has, and what they take of memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from modulux.bench import engine as eng
from modulux.bench.cli import CommandLine
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.memory import processes, pss
from modulux.paths import shipped

READY_MADE = "two-worlds"
BELOW = ("base/debian-13", "base/graphics")  # what every desktop stands on
DISK, MEMORY = 1800, 1100  # MB at most
REST = 60.0  # seconds after which a desktop is at rest
Say = Callable[[str], None]


def measure(engine: CommandLineEngine, cli: CommandLine, say: Say) -> tuple[Figure, Figure]:
    """Start the ready-made desktop, leave it alone for a while, and weigh it; what each container takes, too."""
    file = shipped("desktops") / f"{READY_MADE}.yaml"
    say(f"worlds: starting {READY_MADE}")
    plan = cli.plan(file)
    with cli.gone_after(READY_MADE):
        cli.up(file)
        sizes = {image["reference"]: eng.size(engine, image["reference"]) for image in plan["images"]}
        say(f"worlds: leaving it alone for {REST:.0f} s")
        time.sleep(REST)
        prefix = f"modulux.{READY_MADE}."
        names = [state.name for state in engine.containers(prefix)]
        memory = {name.removeprefix(prefix): pss(processes(engine, [name])) / eng.MB for name in names}
    return _disk(plan["images"], sizes), _memory(memory)


def _disk(images: Sequence[dict[str, Any]], sizes: dict[str, int]) -> Figure:
    own = {
        image["module"]: (sizes[image["reference"]] - sizes.get(image["base"] or "", 0)) / eng.MB
        for image in images
        if image["module"] not in BELOW
    }
    whole = sum(own.values())
    return Figure(
        "worlds",
        "GNOME and Plasma at once, own size of the images beyond the graphics layer",
        "MB",
        (Row("all together", Series((whole,))), *_rows(own)),
        (Goal("all together", whole, DISK, " MB"),),
    )


def _memory(memory: dict[str, float]) -> Figure:
    whole = sum(memory.values())
    return Figure(
        "worlds-memory",
        "The same, memory at rest (PSS)",
        "MB",
        (Row("the whole desktop", Series((whole,))), *_rows(memory)),
        (Goal("the whole desktop", whole, MEMORY, " MB"),),
        (f"{REST:.0f} s after it was ready",),
    )


def _rows(values: dict[str, float]) -> list[Row]:
    return [Row(name, Series((value,))) for name, value in sorted(values.items(), key=lambda item: -item[1])]
