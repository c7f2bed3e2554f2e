"""Many desktops side by side: what the nth costs, in time and memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from modulux.bench import engine as eng
from modulux.bench.cli import CommandLine, desktop
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.memory import processes, pss

Say = Callable[[str], None]


def measure(engine: CommandLineEngine, cli: CommandLine, folder: Path, count: int, say: Say) -> Figure:
    """Start `count` desktops one after the other and keep them all; then take them down."""
    seconds: list[float] = []
    started: list[str] = []
    with contextlib.ExitStack() as stack:
        for number in range(1, count + 1):
            say(f"many: desktop {number} of {count}")
            name = f"bench-{number:02d}"
            started.append(name)
            stack.enter_context(cli.gone_after(name))
            seconds.append(cli.up(desktop(folder, name))[0])
        # Looked at when all are there: what they share is then divided among all of them.
        memory = [pss(processes(engine, _containers(engine, name))) / eng.MB for name in started]
    # One start is noise; the first two and the last two are not much longer to measure.
    few = max(1, min(2, count // 2))
    first, last = Series(tuple(seconds[:few])).median, Series(tuple(seconds[-few:])).median
    return Figure(
        "many",
        f"{count} desktops side by side",
        "s",
        (Row("start of the nth", Series(tuple(seconds))), Row("memory of the nth", Series(tuple(memory)), unit="MB")),
        (Goal("the last start, of the first", last / first, 1.5, "x"),),
        (f"all {count} together: {sum(memory):.0f} MB",),
        running=True,
    )


def _containers(engine: CommandLineEngine, name: str) -> list[str]:
    return [state.name for state in engine.containers(f"modulux.{name}.")]
