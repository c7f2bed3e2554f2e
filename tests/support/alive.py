"""What lives in a desktop's containers, seen from the host: nothing is run inside, so nothing is disturbed by looking."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cli import Cli

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A process of the host; `pid` and `started` (in ticks since the host's own start) together are never used again."""

    pid: int
    parent: int
    name: str
    started: int
    words: tuple[str, ...] = field(compare=False)

    @property
    def age(self) -> float:
        """Seconds."""
        return float(Path("/proc/uptime").read_text().split()[0]) - self.started / TICK


def all_processes() -> dict[int, Process]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(") ")
            fields = rest.split()
            words = tuple((folder / "cmdline").read_text(errors="replace").split("\0"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if fields[0] not in "ZX":
            found[int(folder.name)] = Process(int(folder.name), int(fields[1]), name, int(fields[19]), words)
    return found


@dataclass(frozen=True)
class Module:
    """A module's container: its PID 1, the supervisor's state, the module's own command and all that lives beside it."""

    first: int
    phase: str
    main: Process | None
    processes: frozenset[Process]

    def names(self) -> Counter[str]:
        return Counter(process.name for process in self.processes)


class Alive:
    """The modules of a desktop that runs."""

    def __init__(self, cli: Cli, desktop: str, modules: list[str]) -> None:
        self.cli = cli
        self.container = {module: f"modulux.{desktop}.{module}" for module in modules}
        self.firsts = [0]  # each container's PID 1, as the host numbers it

    def look(self) -> dict[str, Module]:
        """Each module as it is now."""
        if not all(Path(f"/proc/{pid}").exists() for pid in self.firsts):  # a container was started anew
            words = ["inspect", "--type", "container", "--format", "{{.State.Pid}}", *self.container.values()]
            self.firsts = [int(line) for line in self.cli.native(*words).split()]
        everything = all_processes()
        children: dict[int, list[Process]] = {}
        for process in everything.values():
            children.setdefault(process.parent, []).append(process)

        def below(pid: int) -> Iterator[Process]:
            for child in children.get(pid, []):
                yield child
                yield from below(child.pid)

        return {
            module: _module(first, list(below(first)), children)
            for module, first in zip(self.container, self.firsts, strict=True)
        }

    def kill(self, module: Module) -> None:
        """SIGKILL for the module's own command."""
        assert module.main is not None
        os.kill(module.main.pid, signal.SIGKILL)


def _module(first: int, below: list[Process], children: dict[int, list[Process]]) -> Module:
    supervisor = next((p for p in children.get(first, []) if p.name == "enter"), None)
    candidates = children.get(supervisor.pid, []) if supervisor else []
    main = next((p for p in candidates if p.name != "enter"), None)  # one of it looks after the agent
    try:
        phase = Path(f"/proc/{first}/root/run/modulux.state").read_text().split()[0]
    except (OSError, IndexError):
        phase = "gone"
    return Module(first, phase, main if phase == "running" else None, frozenset(below))


def wait_until(what: str, missing: object, seconds: float) -> None:
    """Ask `missing` until it names nothing more.

    Raises:
        AssertionError: with what was missing last.
    """
    assert callable(missing)
    deadline = time.monotonic() + seconds
    while left := missing():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}: {left}"
        time.sleep(0.5)
