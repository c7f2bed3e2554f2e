"""What differs between a plan and what is there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from modulux.desktop.state import Found, Module
from modulux.errors import NameTakenError
from modulux.model.plan import FILE, HASH, Container, Network, Plan, Volume


@dataclass(frozen=True)
class Change:
    """Containers to take away, in waves, and what to make."""

    remove: tuple[tuple[str, ...], ...]
    start: tuple[Container, ...]
    outdated: tuple[str, ...]  # volumes that say what the desktop was made from before
    volumes: tuple[Volume, ...]
    networks: tuple[Network, ...]

    def __bool__(self) -> bool:
        return bool(self.remove or self.start or self.outdated)


def change(plan: Plan, found: Found) -> Change:
    """What `up` has to do.

    A container stays when it runs and was made from the same specification. One that joined another's namespaces goes with it.
    Apps that `run` added stay.

    Raises:
        NameTakenError: a name that the plan needs is used by something that is not ours.
    """
    wanted = {c.name: c for c in plan.containers}
    taken = set(found.foreign) & (set(wanted) | {v.name for v in plan.volumes} | {n.name for n in plan.networks})
    if taken:
        raise NameTakenError(
            f"the name {min(taken)} is taken by something that is not Modulux's",
            hint="give the desktop another `name:`, or rename that",
        )
    stale = {
        name
        for name, module in found.modules.items()
        if (name not in wanted and not module.added)
        or not module.state.running
        or (name in wanted and module.state.labels.get(HASH) != wanted[name].hash)
    }
    gone = {c.name for c in plan.containers if c.name in stale or c.name not in found.modules}
    stale |= {c.name for c in plan.containers if c.name in found.modules and gone & set(c.needs)}
    joined = {need for c in plan.containers for need in c.needs}
    if gone & joined:  # an added app has joined the same namespaces
        stale |= {name for name, module in found.modules.items() if module.added}
    start = [c for c in plan.containers if c.name not in found.modules or c.name in stale]
    outdated = tuple(
        v.name for v in plan.volumes if v.name in found.volumes and v.labels.get(FILE) != found.volumes[v.name].labels.get(FILE)
    )
    return Change(
        remove=removal_waves(found.modules[name] for name in stale),
        start=tuple(start),
        outdated=outdated,
        volumes=tuple(v for v in plan.volumes if v.name not in found.volumes or v.name in outdated),
        networks=tuple(n for n in plan.networks if n.name not in found.networks),
    )


def removal_waves(modules: Iterable[Module]) -> tuple[tuple[str, ...], ...]:
    """Container names so that whoever has joined another's namespaces is in an earlier wave: engines refuse it otherwise."""
    left = {m.name: m.needs for m in modules}
    waves: list[tuple[str, ...]] = []
    while left:
        free = tuple(sorted(name for name in left if name not in left.values())) or tuple(sorted(left))
        waves.append(free)
        left = {name: needs for name, needs in left.items() if name not in free}
    return tuple(waves)
