"""What `modulux machine bench` measures: boots of a machine of containers and of Debian in turn, and what both take."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux.bench import boots, installed, timeline
from modulux.bench.boots import Boot
from modulux.bench.figures import Figure, Goal, Results, Row, Series, shown
from modulux.bench.measure import machine as this_host
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import NotReadyError
from modulux.machine.build import KERNEL, START, STORE, SYSTEM
from modulux.machine.emulator import Machine, accelerator
from modulux.machine.places import sockets_folder
from modulux.machine.running import record

OURS, THEIRS = "Modulux", "Debian"
MB = 1_000_000
MIB = 1024**2
LITTLE = 512
"""MiB of memory in which a machine with Xfce is to boot."""

START_PARTS, ALL_PARTS = (KERNEL, START, SYSTEM), (KERNEL, START, SYSTEM, STORE)


@dataclass(frozen=True)
class Measured:
    """Figures, and a picture (SVG) of where the seconds of a boot went: of the one in the middle."""

    results: Results
    picture: str


def measure(
    engine: CommandLineEngine, built: Path, pc: Path, base: str, *, rounds: int, say: Callable[[str], None], alone: bool = False
) -> Measured:
    """Boot each in turn, so often, and ours once with little memory. Of it all only Debian's disk is kept, for the next time.

    Args:
        built: the machine, as `machine build` leaves it.
        pc: the same for ordinary PCs, which is not booted.
        base: the image that modules are built on.
        alone: without Debian.
    """
    facts = record(built)
    session = next(name for name in facts["containers"] if name.endswith(".xfce"))
    machines: dict[str, tuple[Machine, Callable[[Machine], Boot]]] = {
        OURS: (_machine(Machine, built, facts, "bench"), lambda machine: boots.ours(machine, session))
    }
    if not alone:
        say("installing Debian with Xfce to compare with, unless it is there")
        other = installed.make(engine, base, built / KERNEL, facts["kernel"])
        machines[THEIRS] = (_machine(installed.Installed, other, facts, "bench-debian"), boots.theirs)
    found: dict[str, list[Boot]] = {name: [] for name in machines}
    for number in range(rounds):
        for name, (machine, boot) in list(machines.items())[:: -1 if number % 2 else 1]:
            found[name].append(boot(machine))
            say(f"round {number + 1} of {rounds}: {name} {shown(found[name][-1].drawn)} s, {found[name][-1].used / MB:.0f} MB")
    little = _with_little(machines[OURS][0], session)
    say(f"with {LITTLE} MB of memory: {f'Xfce is drawn at {shown(little.drawn)} s' if little else 'no Xfce'}")
    sizes = {part: (built / part).stat().st_size for part in ALL_PARTS}
    pc_sizes = {part: (pc / part).stat().st_size for part in START_PARTS}
    about = f"QEMU ({machines[OURS][0].accelerator}), {machines[OURS][0].processors} processors, {facts['memory'] // MIB} MiB"
    figures = (_seconds(found), _memory(found, little, facts["memory"] // MIB), _sizes(sizes, pc_sizes))
    results = Results(this_host(engine) | {"machine": about}, figures)
    return Measured(results, _picture(found, about))


def _machine(kind: type[Machine], built: Path, facts: Mapping[str, object], name: str) -> Machine:
    memory = int(str(facts["memory"]))
    return kind(built=built, sockets=sockets_folder(name), state=None, memory=memory, accelerator=accelerator(built / KERNEL))


def _with_little(machine: Machine, session: str) -> Boot | None:
    """One boot with little memory; None if nothing is drawn."""
    try:
        return boots.ours(dataclasses.replace(machine, memory=LITTLE * MIB), session)
    except NotReadyError:
        return None


def _series(found: Sequence[Boot], value: Callable[[Boot], float]) -> Series:
    return Series(tuple(value(boot) for boot in found))


def _seconds(found: Mapping[str, Sequence[Boot]]) -> Figure:
    ours = found[OURS]
    clients = _series(ours, lambda boot: boot.clients or 0.0)
    drawn = {name: _series(each, lambda boot: boot.drawn) for name, each in found.items()}
    rows = [Row("Modulux: the X server takes clients", clients)]
    rows += [Row(f"{name}: Xfce is drawn", series, ours=name == OURS) for name, series in drawn.items()]
    goals = [Goal("power-on to an X server that takes clients", clients.median, 8.0, " s")]
    if THEIRS in drawn:
        goals.append(Goal("power-on to drawn Xfce, of Debian's time", drawn[OURS].over(drawn[THEIRS]).median, 0.5))
    return Figure("boot", "from power-on", "s", tuple(rows), tuple(goals), ("both with an empty home, and the same kernel",))


def _memory(found: Mapping[str, Sequence[Boot]], little: Boot | None, usual: int) -> Figure:
    """What is in use.

    Args:
        little: the boot with little memory, if it came to a drawn Xfce.
        usual: MiB of memory with which it does.
    """
    used = {name: _series(each, lambda boot: boot.used / MB) for name, each in found.items()}
    rows = [Row(f"{name}, Xfce idle", series, ours=name == OURS) for name, series in used.items()]
    if little:
        rows.append(Row(f"{OURS}, Xfce idle, of {LITTLE} MB", Series((little.used / MB,))))
        rows.append(Row(f"{OURS}: Xfce is drawn, with {LITTLE} MB", Series((little.drawn,)), unit="s"))
    goals = (
        Goal("with Xfce idle", used[OURS].median, 350, " MB"),
        Goal("boots to a drawn Xfce with", LITTLE if little else usual, LITTLE, " MB"),
    )
    notes = ("MemTotal less MemAvailable, both at rest", f"boots with {LITTLE} MB: {'yes' if little else 'no'}")
    return Figure("memory", "memory in use", "MB", tuple(rows), goals, notes)


def _sizes(sizes: Mapping[str, int], pc: Mapping[str, int]) -> Figure:
    """What is booted; `pc` has the sizes with the drivers of ordinary PCs."""
    rows = [Row(part, Series((size / MB,))) for part, size in sizes.items()]
    rows += [Row(f"{part}, profile pc", Series((pc[part] / MB,))) for part in START_PARTS]
    first, all_pc = (sum(each[part] for part in START_PARTS) / MB for each in (sizes, pc))
    goals = (
        Goal("kernel, start-up archive and system", first, 64, " MB"),
        Goal("the same, profile pc", all_pc, 160, " MB"),
        Goal("all, with Xfce", sum(sizes[part] for part in ALL_PARTS) / MB, 256, " MB"),
    )
    return Figure("machine-size", "what is booted", "MB", tuple(rows), goals)


def _picture(found: Mapping[str, Sequence[Boot]], about: str) -> str:
    ours = sorted(found[OURS], key=lambda boot: boot.drawn)
    boot = ours[(len(ours) - 1) // 2]
    marks = [(boot.clients or 0.0, "the X server takes clients"), (boot.drawn, "Xfce is drawn")]
    if found.get(THEIRS):
        marks.append((statistics.median(each.drawn for each in found[THEIRS]), "Debian's Xfce is drawn"))
    return timeline.svg(f"A boot of a machine of containers in {about}", boot.said, marks)
