"""Making what a change asks for: volumes, networks and containers in one graph, what the first frame needs before the rest."""

from __future__ import annotations

from collections.abc import Callable

from modulux.desktop.change import Change
from modulux.engine.protocol import Engine
from modulux.model.module import Role
from modulux.model.plan import Container
from modulux.parallel import along

WORKERS = 3
"""Engine commands at a time. Each is mostly work for the processor: more at once would only make the first ones late."""

FIRST = (Role.DISPLAY, Role.SERVICE, Role.SESSION, Role.VIEWER)
"""Roles that the first frame waits for, in this order; gateway and apps are started after them."""


def start(engine: Engine, todo: Change, started: Callable[[Container], None]) -> None:
    """Create what is missing and start the containers; `started` is told of each as soon as it runs.

    Raises:
        EngineError: the engine refused; what was made until then stays.
    """
    containers = sorted(todo.start, key=lambda c: FIRST.index(Role(c.role)) if c.role in FIRST else len(FIRST))
    # A volume and a container may have one name, as the clipboard's have: a space, which no name holds, tells them apart.
    commands = {f"volume {v.name}": engine.volume_argv(v) for v in todo.volumes}
    commands |= {f"network {n.name}": engine.network_argv(n) for n in todo.networks}
    by_name = {c.name: c for c in containers}
    graph: dict[str, set[str]] = {name: set() for name in commands}
    for c in containers:
        parts = {f"volume {m.source}" for m in c.mounts} | {f"network {n}" for n in c.networks}
        graph[c.name] = {name for name in commands if name in parts} | ({*c.needs, *c.after} & set(by_name))

    def one(name: str) -> None:
        if name in commands:
            engine.make(commands[name])
        else:
            engine.start(by_name[name])
            started(by_name[name])

    along(graph, one, workers=WORKERS)
