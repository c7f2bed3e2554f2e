"""Taking a desktop away: everything of it, or everything but its data."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from modulux.desktop.change import removal_waves
from modulux.desktop.state import Found, look
from modulux.desktop.switch import finish
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, NotFoundError
from modulux.model.plan import FILE, KEPT, STAGED
from modulux.paths import lock
from modulux.report import Report, step
from modulux.resolve.plan import container_name

GRACE = 5
"""Seconds that modules have to end by themselves."""


@dataclass(frozen=True)
class Removed:
    """Names of what was removed."""

    containers: tuple[str, ...]
    volumes: tuple[str, ...]
    networks: tuple[str, ...]


def down(engine: Engine, desktop: str, report: Report, *, volumes: bool = False) -> Removed:
    """Stop and remove the desktop's containers, networks and runtime volumes; with `volumes` its data too.

    Raises:
        NotFoundError: nothing of that name is ours.
    """
    with lock(f"{engine.name}.{desktop}"):
        engine.tidy(container_name(desktop, ""))
        found = look(engine, desktop)
        if not (found.modules or found.networks or found.volumes):
            raise NotFoundError(f"no desktop `{desktop}`", hint="modulux ps")
        if finish(engine, found):
            found = look(engine, desktop)
        return remove(engine, found, report, volumes=volumes)


def remove(engine: Engine, found: Found, report: Report, *, volumes: bool, spare: frozenset[str] = frozenset()) -> Removed:
    """As `down`, for who holds the lock already; volumes and networks named in `spare` stay."""
    containers = sorted(found.modules)
    running = [n for n in containers if found.modules[n].state.status not in ("created", "exited")]
    if running:
        # one that is being started again meanwhile makes Podman refuse; its removal, by force, ends it as well
        with step(report, "stop", "stopping the modules"), contextlib.suppress(EngineError):
            engine.stop(running, GRACE)
    kept = [v for v in found.volumes.values() if v.labels.get(KEPT) == "true" or STAGED in v.labels]
    if kept:  # what they belong to is known as long as they are there
        kept += [v for v in found.volumes.values() if FILE in v.labels]
    gone = [v.name for v in found.volumes.values() if volumes or v not in kept]
    gone = [v for v in gone if v not in spare]
    networks = [n for n in found.networks if n not in spare]
    with step(report, "remove", "removing containers" + (", networks and volumes" if gone or networks else "")):
        for wave in removal_waves(found.modules.values()):
            engine.remove("container", wave)
        engine.remove("network", networks)
        engine.remove("volume", gone)
    return Removed(tuple(containers), tuple(gone), tuple(networks))
