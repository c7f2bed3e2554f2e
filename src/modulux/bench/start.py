"""Start to first full frame, and the memory that a desktop then takes: Modulux beside one fat container."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modulux.bench import engine as eng
from modulux.bench.cli import CommandLine, desktop
from modulux.bench.fat import Fat
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.bench.settled import Settled, settle, wait_shown
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.memory import processes, pss

NAME = "bench-start"
OURS, WARM, WHOLE = "modulux up", "modulux up, home kept", "modulux up, until it returns"
SOCKET = "/run/modulux/rfb/xfce.x11vnc.sock"
Say = Callable[[str], None]


@dataclass
class Start:
    """Measures starts in turn, so that a slow moment of the machine meets all alike."""

    engine: CommandLineEngine
    cli: CommandLine
    folder: Path
    fats: tuple[Fat, Fat, Fat]
    images: frozenset[str]
    say: Say
    seconds: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)
    _settled: dict[str, Settled] = field(default_factory=dict)
    _socket: Path = Path()

    def measure(self, rounds: int) -> tuple[Figure, Figure]:
        """Both figures, of `rounds` rounds and one before them that does not count."""
        file = desktop(self.folder, NAME)
        for number in range(rounds + 1):
            self.say(f"start: round {number} of {rounds}" if number else "start: a first round, which does not count")
            counts = number > 0
            self._ours(file, counts)
            for fat in self.fats:
                self._fat(fat, counts)
        return self._figures()

    def _note(self, where: dict[str, list[float]], name: str, value: float, counts: bool) -> None:
        if counts:
            where.setdefault(name, []).append(value)

    def _ours(self, file: Path, counts: bool) -> None:
        if self.images != self.engine.images(list(self.images)):
            self.say("start: some of the images have gone meanwhile; building them again, which does not count")
            with self.cli.gone_after(NAME):
                self.cli.up(file)
        with self.cli.gone_after(NAME):
            self._up(file, OURS, counts)
            if counts:
                names = [state.name for state in self.engine.containers(f"modulux.{NAME}.")]
                self._note(self.memory, "modulux", self._settled_memory(names), counts)
            self.cli.down(NAME, volumes=False)
            self._up(file, WARM, counts)

    def _up(self, file: Path, row: str, counts: bool) -> None:
        """One `up`: the seconds until its first full frame, seen through its viewer's socket, and until it returned."""
        name = f"modulux.{NAME}.x11vnc"
        if NAME not in self._settled:
            self.cli.up(file)
            with eng.client(self.engine, name, SOCKET) as client:
                self._settled[NAME] = settle(client)
            self._socket = eng.place(self.engine, f"modulux.{NAME}.rfb", SOCKET)
            return
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            shown = pool.submit(self._shown, began)
            whole, _ = self.cli.up(file)
            self._note(self.seconds, row, shown.result(), counts)
        if row == OURS:
            self._note(self.seconds, WHOLE, whole, counts)

    def _shown(self, began: float) -> float:
        with eng.soon(self._socket) as client:
            wait_shown(client, self._settled[NAME])
            return time.monotonic() - began

    def _fat(self, fat: Fat, counts: bool) -> None:
        with self._container(fat) as name, eng.client(self.engine, name, fat.socket) as client:
            if fat.name not in self._settled:
                self._settled[fat.name] = settle(client)
                return
            wait_shown(client, self._settled[fat.name])
            self._note(self.seconds, fat.name, time.monotonic() - self._began, counts)
            self._note(self.memory, fat.name, self._settled_memory([name]), counts)

    @contextlib.contextmanager
    def _container(self, fat: Fat) -> Iterator[str]:
        name = "modulux-bench-fat"
        eng.remove(self.engine, name)
        self._began = time.monotonic()
        try:
            eng.start(self.engine, name, fat.image)
            yield name
        finally:
            eng.remove(self.engine, name)

    def _settled_memory(self, containers: list[str]) -> float:
        """Megabytes, once they no longer change by more than one in a hundred from one second to the next."""
        before = 0
        for _ in range(15):
            now = pss(processes(self.engine, containers))
            if before and abs(now - before) < now / 100:
                break
            before = now
            time.sleep(1)
        return now / eng.MB

    def _figures(self) -> tuple[Figure, Figure]:
        fat, tuned, full = (fat.name for fat in self.fats)
        seconds = {name: Series(tuple(values)) for name, values in self.seconds.items()}
        memory = {name: Series(tuple(values)) for name, values in self.memory.items()}
        return (
            Figure(
                "start",
                "Start to first full frame",
                "s",
                (
                    Row(OURS, seconds[OURS], extra=_ratio(seconds[OURS], seconds[fat])),
                    Row(WARM, seconds[WARM], extra=_ratio(seconds[WARM], seconds[fat])),
                    Row(WHOLE, seconds[WHOLE], extra=_ratio(seconds[WHOLE], seconds[fat])),
                    Row(fat, seconds[fat], ours=False),
                    Row(tuned, seconds[tuned], ours=False, extra=_ratio(seconds[tuned], seconds[fat])),
                    Row(full, seconds[full], ours=False, extra=_ratio(seconds[full], seconds[fat])),
                ),
                (Goal("of the fat container's time", seconds[OURS].over(seconds[fat]).median, 0.6, "x"),),
                (
                    "from the command to the first frame that shows panel, icons and background as they stay, by RFB;",
                    "until it returns: everything checked, link and password made",
                ),
            ),
            Figure(
                "memory",
                "Memory of the whole desktop (PSS)",
                "MB",
                (
                    Row("modulux", memory["modulux"], extra=_ratio(memory["modulux"], memory[fat])),
                    Row(fat, memory[fat], ours=False),
                    Row(tuned, memory[tuned], ours=False, extra=_ratio(memory[tuned], memory[fat])),
                    Row(full, memory[full], ours=False, extra=_ratio(memory[full], memory[fat])),
                ),
                (Goal("of the fat container's memory", memory["modulux"].over(memory[fat]).median, 1.15, "x"),),
            ),
        )


def _ratio(one: Series, other: Series) -> dict[str, Any]:
    return {"ratio": one.over(other).median}
