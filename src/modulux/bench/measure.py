"""All figures in one run."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.bench import added, carry, fat, keep, keys, many, size, storage, viewers, worlds
from modulux.bench.cli import MODULES, CommandLine, desktop
from modulux.bench.figures import Figure, Results
from modulux.bench.start import Start
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import UsageError

FIGURES = (
    "start",
    "key",
    "memory",
    "size",
    "many",
    "viewers",
    "cpu",
    "added",
    "worlds",
    "worlds-memory",
    "carry",
    "keep",
    "storage",
)
"""Names of the figures. Those of PAIRS come from the same desktops: asking for one measures both."""

PAIRS = (("start", "memory"), ("viewers", "cpu"), ("worlds", "worlds-memory"))

PROBE = "bench-plan"


def usual() -> tuple[str, ...]:
    """The figures that are measured when none is named: all that can be had here."""
    return tuple(name for name in FIGURES if name != "storage" or storage.possible())


@dataclass(frozen=True)
class Options:
    """How much to measure: rounds of starts, keys each way, desktops side by side, seconds of a film; and which figures."""

    rounds: int = 5
    keys: int = 200
    desktops: int = 20
    seconds: int = 10
    figures: Sequence[str] = FIGURES


def measure(
    engine: CommandLineEngine, options: Options, say: Callable[[str], None], *, cli: CommandLine | None = None
) -> Results:
    """Measure what `options` asks for. Builds the images first; leaves no desktop and no container behind.

    Args:
        say: told what is being done, a line each time.
        cli: how Modulux is started; as this very Python runs it, without.

    Raises:
        UsageError: there is no such figure.
        ModuluxError: a desktop did not start, or an image could not be built.
    """
    if unknown := set(options.figures) - set(FIGURES):
        raise UsageError(f"no figure `{min(unknown)}`", hint=f"there are: {', '.join(FIGURES)}")
    cli = cli or CommandLine(engine.name, modules=(MODULES,))
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="modulux-bench.") as name:
        folder = Path(name)
        plan = _built(cli, folder, say) if set(options.figures) != {"storage"} else {}
        if {"start", "memory"} & set(options.figures):
            say("building the fat container to compare with")
            images = frozenset(image["reference"] for image in plan["images"])
            starts = Start(engine, cli, folder, fat.build(engine, plan, say), images, say)
            found += starts.measure(options.rounds)
        if {"viewers", "cpu"} & set(options.figures):
            found += viewers.measure(engine, cli, folder, options.seconds, say)
        if {"worlds", "worlds-memory"} & set(options.figures):
            found += worlds.measure(engine, cli, say)
        alone: dict[str, Callable[[], Figure]] = {
            "key": lambda: keys.measure(engine, cli, folder, options.keys, say),
            "size": lambda: _size(engine, cli, folder, say),
            "many": lambda: many.measure(engine, cli, folder, options.desktops, say),
            "added": lambda: added.measure(engine, cli, folder, say),
            "carry": lambda: carry.measure(engine, cli, folder, say),
            "keep": lambda: keep.measure(engine, cli, folder, options.rounds, say),
            "storage": lambda: storage.measure(options.rounds, say),
        }
        found += [measured() for name, measured in alone.items() if name in options.figures]
    if {"start", "memory"} & set(options.figures):
        say(f"the images to compare with stay, for the next time: {engine.program} images {fat.REPOSITORY}/*")
    return Results(machine(engine), tuple(figure for figure in found if figure.key in options.figures))


def _size(engine: CommandLineEngine, cli: CommandLine, folder: Path, say: Callable[[str], None]) -> Figure:
    say("building the ready-made desktop, whose size is taken")
    whole = desktop(folder, "bench-size", apps=["terminal"])
    cli.build(whole)
    return size.measure(engine, cli.plan(whole))


def _built(cli: CommandLine, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """The plan of the desktop that is measured, its images built by starting it once."""
    say("starting the desktop once, so that everything is built")
    file = desktop(folder, PROBE)
    with cli.gone_after(PROBE):
        cli.up(file)
    return cli.plan(file)


def machine(engine: CommandLineEngine) -> dict[str, Any]:
    """What the figures were measured on."""
    memory = next(
        (line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")), "0"
    )
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "memory": int(memory) * 1024,
        "kernel": platform.release(),
        "engine": f"{engine.name} {engine.version().text}",
    }
