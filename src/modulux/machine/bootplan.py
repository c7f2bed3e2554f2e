"""A plan → the lines that PID 1 of a machine (`modules/init/engine/source/plan.c`) obeys, one after the other. Pure.

Each line is a word and its fields, parted by tabs:

    version ID                       the first line: which system it is for (the content of /etc/machine/version)
    host    NAME                     what the machine is called
    log     NAME SOCKET              before all containers: the module that is sent what they and the kernel say
    layers  NAME ID:ID:...           the container's root file system, the topmost layer first; each is ID.erofs in the store
    ipc     NAME BYTES               an IPC namespace and a /dev/shm for it and those who join it
    volume  SOURCE NAME TARGET       a folder, owned and filled at first as TARGET in NAME's image is
    device  NAME FOLDER              what is in FOLDER is given to user 1000; NAME waits for something, ten seconds at most
    news    NAME SPACE               NAME is told of devices, and tells those who are in the network namespace SPACE
    sticks  NAME FOLDER              NAME may ask for memory sticks to be mounted in FOLDER, where others see them
    terminal NAME NUMBER KIND        a virtual terminal; those of the kind `draws` (not `text`) are started one after the other
    settled NAME                     started once drivers have been loaded for what there is, ten seconds at most
    run     NAME RESTART SOCKET...   started once all of the sockets take connections; always, on-failure or never
    desktop NAME DESKTOP HOW         whose it is; it `starts` with the machine, or `rests` until somebody wants to see it
    later   NAME                     started once all that are not called so are ready, or after a minute
    after   NAME OTHER...            ended before the others
    ready   NAME SOCKET...           its own sockets, which answer when it is ready
    ask     NAME COMMAND...          must exit with 0 inside NAME when it is ready
    look    NAME OTHER COMMAND...    then must exit with 0 inside OTHER, which has its screen: it is drawn
    custody NAME                     it keeps the machine's data, and has a socket to ask for what that takes (`keep.c`)
    control NAME                     it has a socket at which PID 1 obeys it as it obeys root
    needs   FILE WORD TEXT WHOSE     what the kernel must have (`demands.py` makes these): else it is said on the console
    link    PORT SOCKET              the virtual serial port of that name leads to a socket

A medium that a machine is installed from has a file of this kind beside the system (`live.py`), which takes the place of the
system's own if its first line names the same system. Records of single modules' updates have such lines, too (`update.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modulux.machine.bundle import KEPT, MEDIA, PASSING, STICKS, TERMINAL, tells_of_devices
from modulux.model.module import Role
from modulux.model.plan import Container, Plan

READY = ("/usr/lib/modulux/ready", "0")
"""Asked once at a time: PID 1 asks again, and not so often that it would take the time of what it waits for."""

LOGS, LOGS_SOCKET = "/run/modulux/log", "socket"
"""Where the interface `log` lies; who provides it takes datagrams there."""

CONTROL_PORT = "modulux.control"
KEEPER_PORT = "modulux.keeper"
"""Names of a virtual machine's serial ports (QEMU: `-device virtserialport,name=`)."""

CONTROL = "/run/machine/control"
"""The socket at which PID 1 takes commands (`command.c`): status, start, stop, log NAME, show NAME, poweroff and so on."""

PICTURE = (Role.DISPLAY, Role.SESSION)
"""Whose modules make the picture."""

FIELDS = 62
"""As many words as a line may have."""


def boot_lines(
    plan: Plan,
    layers: Mapping[str, Sequence[str]],
    *,
    version: str | None = None,
    host: str | None = None,
) -> list[str]:
    """The content of /etc/machine/boot.

    Args:
        layers: ids of each image's layers in the store, the topmost first, by the image's reference.
        version: the system's own id, if it is to be held against that of a plan on the state disk.
        host: the machine's name.
    """
    kept = {v.name for v in plan.volumes if v.kept}
    lines = [_line("version", version)] if version else []
    lines += [_line("host", host)] if host else []
    lines += [_line("log", c.name, path) for c in plan.containers if (path := _keeps_logs(c))]
    lines += [_line("layers", c.name, ":".join(layers[c.image])) for c in plan.containers]
    lines += [_line("ipc", c.name, str(c.shm)) for c in plan.containers if c.ipc in ("private", "shareable")]
    lines += [
        _line("volume", f"{KEPT if source in kept else PASSING}/{source}", c.name, target)
        for source, (c, target) in _first_mounts(plan.containers).items()
    ]
    lines += [_device(c, path) for c in plan.containers for path in c.devices]
    for c in plan.containers:
        if space := tells_of_devices(c):
            lines += [_line("settled", c.name), _line("news", c.name, space)]
    lines += [_line("run", c.name, c.env.get("MODULUX_RESTART", "always"), *_awaited(c)) for c in plan.containers]
    lines += [_line("desktop", c.name, c.desktop, "rests" if c.rests else "starts") for c in plan.containers if c.desktop]
    lines += [_line("custody", c.name) for c in plan.containers if c.custody]
    lines += [_line("control", c.name) for c in plan.containers if c.control]
    lines += [_line("later", c.name) for c in plan.containers if c.name not in of_the_picture(plan.containers)]
    lines += [_line("after", c.name, *needed) for c in plan.containers if (needed := _needed(c, plan.containers))]
    for c in plan.containers:
        lines += [*_readiness(c), *_looks(c, plan.containers)]
    keeper = _socket(plan, "keeper")
    lines += [_line("link", KEEPER_PORT, keeper)] if keeper else []
    return [*lines, _line("link", CONTROL_PORT, CONTROL)]


def _socket(plan: Plan, interface: str) -> str | None:
    """Where, on the machine, the first socket of an interface lies."""
    for c in plan.containers:
        if interface in c.sockets:
            return _outside(c, c.sockets[interface])
    return None


def _awaited(c: Container) -> list[str]:
    """The sockets that it would wait for itself (MODULUX_WAIT of the contract), where PID 1 sees them."""
    return [path for inside in c.env.get("MODULUX_WAIT", "").split() if (path := _outside(c, inside))]


def _needed(c: Container, others: Sequence[Container]) -> list[str]:
    """Containers that must outlive it: whose namespaces it has joined, and whose sockets it has waited for."""
    awaited = set(_awaited(c))
    found = dict.fromkeys(c.needs)
    for other in others:
        if other.name != c.name and awaited.intersection(_outside(other, inside) or "" for inside in other.sockets.values()):
            found[other.name] = None
    return list(found)


def of_the_picture(containers: Sequence[Container]) -> set[str]:
    """Names of displays, sessions, and those without whom these do not start: all others would take the processor from them."""
    by_name = {c.name: c for c in containers}
    found = [c.name for c in containers if c.role in PICTURE or tells_of_devices(c)]
    for name in found:
        found += [n for n in _needed(by_name[name], containers) if n not in found]
    return set(found)


def _device(c: Container, path: str) -> str:
    terminal = TERMINAL.fullmatch(path)
    if path == STICKS:  # there need be none
        return _line("sticks", c.name, next(f"{PASSING}/{m.source}" for m in c.mounts if m.target == MEDIA))
    if terminal is None:
        return _line("device", c.name, path)
    return _line("terminal", c.name, terminal[1], "draws" if c.role == Role.DISPLAY else "text")


def _keeps_logs(c: Container) -> str | None:
    provides = any(m.target == LOGS and not m.read_only for m in c.mounts)
    return _outside(c, f"{LOGS}/{LOGS_SOCKET}") if provides else None


def _readiness(c: Container) -> list[str]:
    """Its sockets are asked by PID 1, where that costs nothing; what only the module itself can say, by its own program."""
    sockets, asked = [], []
    for condition in c.ready.conditions:
        path = _outside(c, condition.removeprefix("socket=")) if condition.startswith("socket=") else None
        if path:
            sockets.append(path)
        else:
            asked.append(condition)
    lines = [_line("ready", c.name, *sockets)] if sockets else []
    return [*lines, _line("ask", c.name, *READY, *asked)] if asked else lines


def _looks(c: Container, others: Sequence[Container]) -> list[str]:
    """Whether it is drawn, asked of the display that it stands on: a machine's screen is looked at by nobody else."""
    areas = [",".join(map(str, [*d.area, d.colours, *(["behind"] if d.behind else [])])) for d in c.ready.drawn]
    by_name = {other.name: other.ready.looks for other in others}
    displays = [name for name in _needed(c, others) if by_name.get(name)]
    return [_line("look", c.name, name, *by_name[name], *areas) for name in displays[:1] if areas]


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
    if len(fields) > FIELDS or any("\t" in field or "\n" in field or not field for field in fields):
        raise ValueError(f"not for a boot plan: {fields!r}")
    return "\t".join(fields)
