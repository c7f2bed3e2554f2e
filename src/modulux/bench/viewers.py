"""What each viewer makes of a moving picture: how many a second reach a client, and what each costs viewer and display."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modulux.bench import cpu
from modulux.bench import engine as eng
from modulux.bench.cli import CommandLine, desktop
from modulux.bench.figures import Figure, Row, Series, shown
from modulux.bench.watch import NUMBERS, RfbWatch, Strips, Watched
from modulux.bench.xpra import XpraWatch
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import NotReadyError
from modulux.paths import shipped

RATE = 50  # pictures a second that the loads draw; a parameter of theirs
ROUNDS = 2
LOADS = {
    "scrolling": Strips(left=9, step=16, top=60, bottom=775, ahead=42),  # 46 lines of 17 pixels; the fourth and the last
    "video": Strips(left=8, step=16, top=56, bottom=792),
}
DEFAULTS = "x11vnc-defaults"
OWN_PAGE = ("xpra",)  # not RFB
Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """A desktop whose viewers are looked through in turn."""

    display: str
    session: str
    viewers: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"bench-viewers-{self.display}"

    def write(self, folder: Path) -> Path:
        asked = [viewer for viewer in self.viewers if viewer != self.display]
        return desktop(folder, self.name, display=self.display, sessions=[self.session], viewer=asked)

    def row(self, viewer: str) -> str:
        name = "x11vnc as it comes" if viewer == DEFAULTS else viewer
        return name if viewer == self.display else f"{name} on {self.display}"


def setups() -> tuple[Setup, ...]:
    """The desktops, with those viewers that Modulux has."""
    known = [viewer for viewer in ("x11vnc", "x0vnc", "xpra") if (shipped("modules") / "viewer" / viewer).is_dir()]
    return (
        Setup("xvfb", "openbox", (*known, DEFAULTS)),
        Setup("xvnc", "openbox", ("xvnc",)),
        Setup("xpra", "openbox", ("xpra",)),
        Setup("wayland", "labwc", ("wayvnc",)),
    )


@dataclass
class Seen:
    """What came through a viewer, second by second."""

    frames: list[float] = field(default_factory=list)  # pictures in each second
    cost: list[float] = field(default_factory=list)  # milliseconds of processor time for each of them
    made: list[float] = field(default_factory=list)  # pictures that were drawn meanwhile
    torn: int = 0  # pictures of which the upper part was another's
    received: int = 0  # bytes


def measure(
    engine: CommandLineEngine,
    cli: CommandLine,
    folder: Path,
    seconds: int,
    say: Say,
    *,
    which: Sequence[Setup] | None = None,
    loads: Sequence[str] = tuple(LOADS),
) -> tuple[Figure, Figure]:
    """Look for `seconds` through each viewer at each load, in rounds that take turns; both figures."""
    which = setups() if which is None else which
    seen: dict[tuple[str, str, bool], Seen] = {}
    direct = True
    with contextlib.ExitStack() as stack:
        for setup in which:
            stack.enter_context(cli.gone_after(setup.name))
            cli.up(setup.write(folder))
        for number in range(ROUNDS):
            for load in loads:
                for setup in which:
                    cli.run(setup.name, load)
                    for viewer in setup.viewers:
                        say(f"viewers: {load} through {setup.row(viewer)}, round {number + 1} of {ROUNDS}")
                        what = seen.setdefault((load, setup.row(viewer), viewer != DEFAULTS), Seen())
                        with _watch(engine, setup, viewer, LOADS[load]) as (watched, unrelayed):
                            direct = direct and unrelayed
                            clock = cpu.seconds(engine, _containers(setup, viewer))
                            look(watched, clock, max(1, seconds // ROUNDS), what)
                        say(f"viewers: {shown(what.frames[-1])} a second, {shown(what.cost[-1])} ms each, in the last second")
                    cli.stop(setup.name, load)
    return _figures(seen, direct)


def _containers(setup: Setup, viewer: str) -> list[str]:
    return [f"modulux.{setup.name}.{module}" for module in dict.fromkeys((viewer, setup.display))]


@contextlib.contextmanager
def _watch(engine: CommandLineEngine, setup: Setup, viewer: str, strips: Strips) -> Iterator[tuple[Watched, bool]]:
    way = "page" if viewer in OWN_PAGE else "rfb"
    socket = f"/run/modulux/{way}/{setup.session}.{viewer}.sock"
    stream, direct = eng.stream(engine, f"modulux.{setup.name}.{viewer}", f"modulux.{setup.name}.{way}", socket)
    watched: Watched = XpraWatch(stream, strips) if viewer in OWN_PAGE else RfbWatch(stream, strips)
    try:
        yield watched, direct
    finally:
        watched.close()


def look(watched: Watched, clock: Callable[[], float], seconds: int, seen: Seen) -> None:
    """Count the pictures of some whole seconds, from one that is there in full and followed by others.

    Raises:
        NotReadyError: no numbers can be read in the picture, or they do not change.
    """
    last = _moving(watched)
    received = watched.received
    for _ in range(seconds):
        began, spent = time.monotonic(), clock()
        frames = made = 0
        while (now := time.monotonic()) < began + 1:
            if watched.update(min(now + 1, began + 1)) and (read := watched.numbers.read()) and read[0] != last:
                frames += 1
                made += _step(last, read[0])
                last = read[0]
                seen.torn += not read[1]
        taken = time.monotonic() - began
        seen.frames.append(frames / taken)
        seen.made.append(made / taken)
        seen.cost.append((clock() - spent) * 1000 / max(1, frames))
    seen.received += watched.received - received


def _step(before: int, after: int) -> int:
    """How much further a number is that goes round, or how much it is behind."""
    return (after - before + NUMBERS // 2) % NUMBERS - NUMBERS // 2


def _moving(watched: Watched, timeout: float = 30.0) -> int:
    """Wait until some pictures have come one after the other; the number of the last."""
    deadline = time.monotonic() + timeout
    last, moves = -1, 0
    while time.monotonic() < deadline:
        if watched.update(deadline) and (read := watched.numbers.read()) and read[0] != last:
            moves = moves + 1 if (read[0] - last) % NUMBERS < RATE * 2 else 0
            last = read[0]
            if moves >= 3:
                return last
    raise NotReadyError(f"no numbers that go up can be read in the picture ({watched.numbers.read()})")


def _figures(seen: dict[tuple[str, str, bool], Seen], direct: bool) -> tuple[Figure, Figure]:
    rows = [(f"{load}, {name}", ours, what) for (load, name, ours), what in seen.items()]
    relayed = () if direct else ("the sockets could not be reached from here: all went through the engine's exec",)
    return (
        Figure(
            "viewers",
            f"Pictures a second that arrive, of {RATE}",
            "fps",
            tuple(Row(name, Series(tuple(what.frames)), ours=ours, extra=_extra(what)) for name, ours, what in rows),
            notes=(
                "1280x800, Tight with JPEG as the page asks for; pictures are told by a number drawn into them",
                *relayed,
            ),
        ),
        Figure(
            "cpu",
            "The same, processor time of viewer and display for each picture that arrived",
            "ms",
            tuple(Row(name, Series(tuple(what.cost)), ours=ours) for name, ours, what in rows),
            notes=("by the account of their cgroups, the display's own drawing of the window included",),
        ),
    )


def _extra(what: Seen) -> dict[str, float]:
    """For JSON: pictures drawn, those that were put together from two, and megabytes, each a second."""
    count = len(what.frames)
    return {"drawn": Series(tuple(what.made)).median, "torn": what.torn / count, "megabytes": what.received / count / eng.MB}
