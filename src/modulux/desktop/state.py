"""What is there of a desktop: read from the engine's labels, which are the only record."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from modulux.engine.protocol import Engine, Named, State
from modulux.errors import NotFoundError
from modulux.model import plan as p
from modulux.resolve.files import close_to
from modulux.resolve.plan import container_name

PREFIX = "modulux."


@dataclass(frozen=True)
class Module:
    """A container of ours, with what its labels say."""

    state: State

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def short(self) -> str:
        return self.state.name.split(".", 2)[2]

    @property
    def role(self) -> str:
        return self.state.labels.get(p.ROLE, "")

    @property
    def id(self) -> str:
        return self.state.labels.get(p.MODULE, "")

    @property
    def screen(self) -> str:
        """The first session on the screen that it stands on."""
        return self.state.labels.get(p.SCREEN, "")

    @property
    def session(self) -> str:
        """The session whose home and bus it has."""
        return self.state.labels.get(p.SESSION, "")

    @property
    def added(self) -> bool:
        return p.ADDED in self.state.labels

    @property
    def needs(self) -> str:
        """The container whose namespaces it has joined, or nothing."""
        return self.state.labels.get(p.NEEDS, "")

    @property
    def sockets(self) -> dict[str, str]:
        return dict(json.loads(self.state.labels.get(p.SOCKETS, "{}")))

    @property
    def actions(self) -> dict[str, list[str]]:
        return dict(json.loads(self.state.labels.get(p.ACTIONS, "{}")))


@dataclass(frozen=True)
class Found:
    """All that carries a desktop's name; `foreign` are the names taken by what is not ours."""

    desktop: str
    modules: dict[str, Module] = field(default_factory=dict)  # by container name
    volumes: dict[str, Named] = field(default_factory=dict)
    networks: dict[str, Named] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()

    @property
    def desktop_file(self) -> dict[str, Any]:
        """What the desktop was last made from, as long as there is something of it; nothing if that is not on record."""
        return dict(json.loads(unquote(self.record.labels[p.FILE]))) if self.record else {}

    @property
    def record(self) -> Named | None:
        """The volume whose label says what the desktop was last made from."""
        return next((v for v in self.volumes.values() if p.FILE in v.labels), None)

    def module(self, short: str) -> Module:
        """The module of this short name.

        Raises:
            NotFoundError: the desktop has none such.
        """
        for module in self.modules.values():
            if short in {module.short, module.id}:
                return module
        shorts = [m.short for m in self.modules.values()]
        raise NotFoundError(
            f"`{self.desktop}` has no module `{short}`", hint=close_to(short, shorts) or f"it has: {', '.join(sorted(shorts))}"
        )

    def having(self, interface: str, screen: str | None = None) -> Module | None:
        """The first running module that provides `interface` by a socket, on `screen` or else on the first of the desktop's."""
        having = [m for m in self.modules.values() if m.state.running and interface in m.sockets]
        screen = screen or self.first_screen
        return next((m for m in having if m.screen == screen), None)

    @property
    def first_screen(self) -> str:
        """The first session's name, by which its screen goes."""
        first = (self.desktop_file.get("sessions") or [""])[0]
        return str(first["module"] if isinstance(first, dict) else first)

    def able(self, action: str) -> Module | None:
        """The first running module that has `action`."""
        return next((m for m in self.modules.values() if m.state.running and action in m.actions), None)


def look(engine: Engine, desktop: str) -> Found:
    """What the engine has under this desktop's name."""
    prefix = container_name(desktop, "")
    with ThreadPoolExecutor(3) as pool:
        containers, volumes, networks = (
            pool.submit(engine.containers, prefix),
            pool.submit(engine.volumes, prefix),
            pool.submit(engine.networks, prefix),
        )
        states, volume_list, network_list = containers.result(), volumes.result(), networks.result()

    def ours(thing: State | Named) -> bool:
        return thing.labels.get(p.OWNER) == "modulux" and thing.labels.get(p.DESKTOP) == desktop

    everything: list[State | Named] = [*states, *volume_list, *network_list]
    return Found(
        desktop=desktop,
        modules={c.name: Module(c) for c in states if ours(c)},
        volumes={v.name: v for v in volume_list if ours(v)},
        networks={n.name: n for n in network_list if ours(n)},
        foreign=tuple(thing.name for thing in everything if not ours(thing)),
    )


def existing(engine: Engine, desktop: str) -> Found:
    """As `look`, for a desktop that must be there.

    Raises:
        NotFoundError: it has no containers.
    """
    found = look(engine, desktop)
    if not found.modules:
        names = sorted(desktops(engine))
        raise NotFoundError(
            f"no desktop `{desktop}` is running",
            hint=close_to(desktop, names) or (f"running: {', '.join(names)}" if names else "modulux up"),
        )
    return found


def desktops(engine: Engine) -> dict[str, list[Module]]:
    """Every desktop's modules, by the desktop's name."""
    result: dict[str, list[Module]] = {}
    for state in engine.containers(PREFIX):
        if state.labels.get(p.OWNER) == "modulux" and p.DESKTOP in state.labels:
            result.setdefault(state.labels[p.DESKTOP], []).append(Module(state))
    return result
