"""What each module adds to the disk: the bytes of its image that its base has not."""

from __future__ import annotations

from typing import Any

from modulux.bench import engine as eng
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.engine.commandline import CommandLineEngine

EACH = {"display/xvfb": 15, "viewer/x11vnc": 15}  # MB at most
WHOLE = 450


def measure(engine: CommandLineEngine, plan: dict[str, Any]) -> Figure:
    """Unique bytes of every image of the plan, and of all together."""
    sizes = {image["reference"]: eng.size(engine, image["reference"]) for image in plan["images"]}
    own = {
        image["module"]: (sizes[image["reference"]] - sizes.get(image["base"] or "", 0)) / eng.MB for image in plan["images"]
    }
    whole = sum(own.values())
    rows = [Row(module, Series((value,))) for module, value in sorted(own.items(), key=lambda item: -item[1])]
    goals = [Goal(module, own[module], limit, " MB") for module, limit in EACH.items() if module in own]
    return Figure(
        "size",
        "Own size of each image",
        "MB",
        (Row("the whole desktop", Series((whole,))), *rows),
        (*goals, Goal("the whole desktop", whole, WHOLE, " MB")),
    )
