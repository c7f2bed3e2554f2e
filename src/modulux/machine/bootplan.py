"""A plan → the lines that PID 1 of a machine (init.c) obeys, one after the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modulux.machine.bundle import KEPT, PASSING
from modulux.model.plan import Container, Plan

READY = "/usr/lib/modulux/ready"


def boot_lines(plan: Plan, layers: Mapping[str, Sequence[str]], link: str | None = None) -> list[str]:
    """The content of /etc/machine/boot.

    Args:
        layers: names of each image's layers in the store, the topmost first, by the image's reference.
        link: the socket inside, as a path on the machine, that the virtual machine's own port leads to.
    """
    kept = {v.name for v in plan.volumes if v.kept}
    lines = [_line("layers", c.name, ":".join(layers[c.image])) for c in plan.containers]
    lines += [_line("ipc", c.name, str(c.shm)) for c in plan.containers if c.ipc in ("private", "shareable")]
    lines += [
        _line("volume", f"{KEPT if source in kept else PASSING}/{source}", c.name, target)
        for source, (c, target) in _first_mounts(plan.containers).items()
    ]
    lines += [_line("link", link)] if link else []
    lines += [_line("run", c.name, *_awaited(c)) for c in plan.containers]
    lines += [_line("ready", c.name, READY, str(max(1, round(c.ready.timeout))), *c.ready.conditions) for c in plan.containers]
    return lines


def rfb_socket(plan: Plan) -> str | None:
    """Where, on the machine, the socket of the desktop's first viewer lies."""
    for c in plan.containers:
        if "rfb" in c.sockets:
            return _outside(c, c.sockets["rfb"])
    return None


def _awaited(c: Container) -> list[str]:
    """The sockets that it would wait for itself (MODULUX_WAIT of the contract), where PID 1 sees them."""
    return [path for inside in c.env.get("MODULUX_WAIT", "").split() if (path := _outside(c, inside))]


def _outside(c: Container, inside: str) -> str | None:
    """Where a file of one of its volumes lies on the machine; sockets lie in volumes that hold no data."""
    found = [m for m in c.mounts if inside.startswith(f"{m.target}/")]
    nearest = max(found, key=lambda m: len(m.target), default=None)
    return f"{PASSING}/{nearest.source}{inside.removeprefix(nearest.target)}" if nearest else None


def _first_mounts(containers: Sequence[Container]) -> dict[str, tuple[Container, str]]:
    """Who gives each volume its first content: as with engines, the first to mount it, those who may write before others."""
    found: dict[str, tuple[Container, str]] = {}
    for read_only in (False, True):
        for c in containers:
            for m in c.mounts:
                if m.read_only == read_only:
                    found.setdefault(m.source, (c, m.target))
    return found


def _line(*fields: str) -> str:
    if any("\t" in field or "\n" in field or not field for field in fields):
        raise ValueError(f"not for a boot plan: {fields!r}")
    return "\t".join(fields)
