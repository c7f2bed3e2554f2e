"""`kill -9` of any one module: what hangs on it dies with it, the rest goes on, and all of it comes back and is drawn again.

What hangs on what is asked of the contracts. Who has windows on a screen (`ipc:`, as X and Wayland have it) goes with its server, and who
requires another server's socket goes with that. Nobody else does: a session is no server, and its bus outlives it; a gateway finds
another viewer.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.alive import Alive, Module, Process, wait_until
from tests.support.cli import ROOT, Cli

from modulux.cli.common import host_facts, read_desktop
from modulux.desktop.ready import Watch, wait_all_ready
from modulux.engine.choose import choose
from modulux.errors import NotReadyError
from modulux.model.interface import Interface
from modulux.model.module import Role
from modulux.model.plan import Container, Plan
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.compose import Placed, compose
from modulux.resolve.plan import resolve

pytestmark = [pytest.mark.engine, pytest.mark.timeout(3600)]

SHIPPED = sorted(path.stem for path in (ROOT / "desktops").glob("*.yaml"))

FILLING = "window=Navigator"
"""What is waited for of Firefox, whose window is as large as the screen."""

BACK = 180.0
"""Seconds: the supervisor waits up to 32 before it starts anew what dies again and again, and a client may begin before its server."""

SETTLED = 5.0
"""Seconds after which a process is no passing helper any more."""


def takes(interface: Interface, name: str, provider: Placed, client: Placed) -> bool:
    """Whether the client cannot outlive the provider, which gives it this interface."""
    required = {n for choice in client.found.contract.requires for n in choice.split(" | ")}
    server = interface.socket and not interface.shared and provider.wanted.role is not Role.SESSION
    return interface.ipc or (name in required and bool(server))


def serves_on(victim: Placed) -> bool:
    """Whether what it serves outlives its command: a session that keeps more than its bus keeps its compositor."""
    return bool(set(victim.found.contract.keeps) - {"dbus-daemon"})


def hangs_on(placed: list[Placed], catalog: Catalog) -> dict[str, set[str]]:
    """By module: itself, and all that goes with it when it is killed."""
    goes: dict[str, set[str]] = {}
    for victim in placed:
        dead = {victim.short}
        while more := {
            m.short
            for m in placed
            for name, provider in m.links.items()
            if provider.short in dead
            and m.short not in dead
            and not (provider is victim and serves_on(victim))
            and takes(catalog.interfaces[name], name, provider, m)
        }:
            dead |= more
        goes[victim.short] = dead
    return goes


def per_cent(*parts: int | str) -> int:
    return sum(int(part.rstrip("%")) for part in parts if isinstance(part, str))


def at_the_edges(container: Container, filled: bool) -> Container:
    """With those areas of the picture alone that reach an edge of the screen, as bars and wallpaper do.

    What lies further in can be covered: an application may be back before the window manager that would give it its place.
    Where an application's window is `filled` to the edges nothing behind it is to be seen.
    """
    ready = container.ready
    drawn = [
        d
        for d in ready.drawn
        if 0 in d.area[:2] or 100 in (per_cent(d.area[0], d.area[2]), per_cent(d.area[1], d.area[3]))
        if not (filled and d.behind)
    ]
    return dataclasses.replace(container, ready=dataclasses.replace(ready, drawn=tuple(drawn)))


def lasts(module: Module) -> set[Process]:
    """What is no passing helper, nor a service that the bus starts and that ends by itself when nobody asks it any more."""
    return {p for p in module.processes if p.age > SETTLED and p.name != "sleep" and "--gapplication-service" not in p.words}


@dataclass
class Struck:
    """A desktop that runs, and how long each module took to be back, by module."""

    cli: Cli
    plan: Plan
    goes: dict[str, set[str]]
    folder: Path
    """Where a picture is left of what did not come back."""
    took: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        filled = any(FILLING in c.ready.conditions for c in self.plan.containers)
        self.plan = dataclasses.replace(self.plan, containers=tuple(at_the_edges(c, filled) for c in self.plan.containers))
        self.engine = choose(self.cli.engine, runtime=None, ulimits={})
        self.alive = Alive(self.cli, self.plan.desktop, [c.short for c in self.plan.containers])
        self.first: dict[str, Module] = {}

    def usable(self) -> list[str]:
        """What is missing until the desktop can be used: nothing when every condition holds and every screen is drawn."""
        watch = Watch(self.engine, self.plan, begins=True)
        try:
            wait_all_ready(self.engine, self.plan.containers)
            watch.begin_all()
            watch.end()
        except NotReadyError as error:
            return [str(error)]
        finally:
            watch.abandon()
        return []

    def settle(self) -> dict[str, Module]:
        """Wait until it can be used and nothing in it is but a few seconds old."""
        try:
            wait_until("the desktop can be used", self.usable, BACK)
        except AssertionError:
            self.cli.run("screenshot", self.plan.desktop, "-o", str(self.folder / "unusable.png"), status=None)
            raise
        return self.alive.look()

    def victims(self) -> list[str]:
        """Every module whose command runs; of one that waits for a click in a menu there is nothing to kill."""
        return [short for short, module in self.alive.look().items() if module.main]

    def kill(self, victim: str) -> None:
        before = self.alive.look()
        lasting = {name: lasts(module) for name, module in before.items()}
        dead = {short for short in self.goes[victim] if before[short].main}
        begun = time.monotonic()
        self.alive.kill(before[victim])

        def not_back() -> list[str]:
            now = self.alive.look()
            return sorted(n for n in dead if now[n].main is None or now[n].main == before[n].main)

        wait_until(f"{victim} was killed; these die and come back", not_back, BACK)
        self.settle()
        self.took.setdefault(victim, []).append(time.monotonic() - begun)
        after = self.alive.look()
        for name in set(before) - dead:
            gone = sorted(p.name for p in lasting[name] - after[name].processes)
            assert (after[name].first, after[name].main, gone) == (before[name].first, before[name].main, []), (
                f"{victim} was killed, and took of {name}: {gone or 'its command'}"
            )
        for name in dead:
            assert after[name].first == before[name].first, (
                f"{victim} was killed, and the container of {name} did not outlive it"
            )
        wait_until(f"{victim} was killed; left behind beside those who came back", lambda: self.doubled(before, dead), 60)

    def doubled(self, before: dict[str, Module], dead: set[str]) -> dict[str, list[str]]:
        """Programs that a module has more of than ever before: those of its former life."""
        now = self.alive.look()
        return {
            name: sorted(more)
            for name in dead
            if (more := now[name].names() - (before[name].names() | self.first[name].names()))
        }


Strike = Callable[[str, int], Struck]


@pytest.fixture
def strike(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strike]:
    """Bring a ready-made desktop up under a name of the test's own, and kill each of its modules in turn, so many times."""
    names = []
    for key, value in cli.env.items():  # the engine is asked from here too
        monkeypatch.setenv(key, value)

    def strike(shipped_name: str, rounds: int) -> Struck:
        name = f"t-kill-{shipped_name}"
        names.append(name)
        file = tmp_path / f"{name}.yaml"
        file.write_text((ROOT / f"desktops/{shipped_name}.yaml").read_text().replace(f"name: {shipped_name}", f"name: {name}"))
        cli.run("up", str(file), "--yes", timeout=3000)
        desktop, catalog = read_desktop(file), Catalog([shipped("modules")])
        goes = hangs_on(compose(desktop, catalog, None), catalog)
        struck = Struck(cli, resolve(desktop, catalog, host_facts()), goes, tmp_path)
        struck.settle()
        time.sleep(SETTLED)
        struck.first = struck.alive.look()
        for _ in range(rounds):
            for victim in struck.victims():
                struck.kill(victim)
        for victim, took in struck.took.items():
            figures = f"{len(took)} kills, back after {statistics.median(took):.1f} s, at most {max(took):.1f} s"
            sys.stdout.write(f"{shipped_name:12} {victim:20} {figures}\n")
        return struck

    yield strike
    for name in names:
        cli.run("down", name, "--volumes", "--yes", status=None)
        assert cli.left(name) == []


def test_each_module_once(strike: Strike) -> None:
    struck = strike("openbox", 1)
    assert set(struck.took) == {c.short for c in struck.plan.containers}


@pytest.mark.one_engine
def test_each_module_of_two_sessions_once(strike: Strike) -> None:
    struck = strike("mosaic", 1)
    assert set(struck.took) == {c.short for c in struck.plan.containers}


@pytest.mark.one_engine
@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_each_module_ten_times(strike: Strike, name: str) -> None:
    rounds = int(os.environ.get("KILLS", "10"))
    struck = strike(name, rounds)
    assert all(len(took) == rounds for took in struck.took.values())
