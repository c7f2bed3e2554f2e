"""A planned container → the configuration that an OCI runtime starts it by, so that a machine needs no engine to boot.

The same plan that Podman and Docker are given, held to the same floor. Pure: nothing is looked up on this host.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from typing import Any

from modulux.engine.commandline import TMPFS
from modulux.engine.protocol import ImageFacts
from modulux.errors import ResolveError
from modulux.model.module import Role
from modulux.model.plan import Container

KEPT = "/state/volumes"
"""Where a machine has the volumes that hold data: on its state partition."""

PASSING = "/run/machine/volumes"
"""Where it has the others: in memory, gone with the power."""

SHM = "/run/machine/shm"
IPC = "/run/machine/ipc"
"""Where PID 1 mounts each container's /dev/shm, and holds the IPC namespaces that others join, by the container's name."""

STAGING = f"{KEPT}/.keeping"
KEEPING = "/run/machine/keeping"
MADE = "/etc/machine/desktops"
"""For who keeps a machine's data: where it lays what is to take a volume's place, the folder of the socket at which PID 1 obeys
it, and what was noted of the desktops when the machine was built."""

COMMANDS = "/run/machine/commands"
"""Where PID 1 has its socket for a module that commands the machine, by the container's name; it finds it in `COMMANDED`."""

COMMANDED = "/run/modulux/machine"

CUSTODY = "/keep"
"""Where it has all of that."""

SAID = "64m"
"""Room, in memory, for what it says of a desktop in a snapshot."""

TOLD = {"machine": KEEPING, "made": MADE}

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEVICES_KNOWN = "/run/udev"
"""Where the interface `udev` lies in containers. Who has it shares a network namespace: udev's messages cross none."""

SPACES = "/run/machine/net"
"""Where PID 1 holds that namespace, by the volume's name."""

MEDIA = "/media"
"""Where the interface `media` lies in containers; what PID 1 mounts there later is seen by those that run."""

STICKS = "/dev/sticks"
"""PID 1's own folder of what came by USB. Who declares it may ask PID 1 to mount that."""

ASKS = "/run/machine/asks"
"""Where PID 1 has its socket for a module that may ask for something, by the container's name; it finds it in `ASKED`."""

ASKED = "/run/modulux/asks"

CPU_PERIOD = 100_000

SHARES = {Role.DISPLAY: 8192, Role.SESSION: 4096, Role.APP: 1024}
"""Of a busy processor (engines give everybody 1024), so that the picture comes first: at the start, and under a finger."""

OTHERS = 512

DEVICES: Mapping[str, Mapping[str, Any]] = {
    "/dev/disks": {"type": "b"},
    "/dev/dri": {"type": "c", "major": 226},
    "/dev/input": {"type": "c", "major": 13},
    "/dev/snd": {"type": "c", "major": 116},
    STICKS: {"type": "b", "access": "r"},
    "/dev/ttyS0": {"type": "c", "major": 4, "minor": 64},
}
"""Devices, and folders of them, that a contract may declare, with the kernel's numbers for them (admin-guide/devices.txt).

`/dev/disks` is PID 1's own: every disk and partition by the kernel's name for it. Their numbers differ from start to start,
as do those of `/dev/sticks`, which is to be read alone.
"""

TERMINAL = re.compile(r"/dev/tty([1-9][0-9]?)")
"""A virtual terminal (major 4), which a machine gives by its number."""

SEEN = "/dev/tty0"
"""To the kernel, the terminal that is seen; to a container, its own, so that none comes to what is typed at another."""

RESOLVER = "/run/modulux/network"
"""Where the interface `network` lies in containers; what its provider writes there serves as /etc/resolv.conf."""

MASKED = (
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/dev/disks",
    "/sys/firmware",
    "/sys/fs/selinux",
)
READ_ONLY = ("/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""As Podman masks them."""

COMPILED = "run.oci.seccomp_bpf_data"
"""Where crun looks for a filter that is compiled already; to compile one takes it as long as all else for a container."""


def runtime_config(
    c: Container, image: ImageFacts, seccomp: Mapping[str, Any], kept: frozenset[str], program: bytes = b""
) -> dict[str, Any]:
    """The content of `config.json` (OCI runtime specification 1.0).

    Args:
        seccomp: `linux.seccomp`, as `seccomp.rules` makes it.
        program: the same, compiled; the runtime then takes it as it is.
        kept: names of the volumes that hold data.

    Raises:
        ResolveError: it declares a device that a machine cannot give, or shares a folder of a host.
    """
    capabilities = [f"CAP_{name}" for name in c.capabilities]
    environment = {"PATH": PATH.partition("=")[2]} | dict(pair.split("=", 1) for pair in image.env) | c.env
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 1000, "gid": 1000},
            "args": [*image.entrypoint, *c.command],
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": image.folder,
            "capabilities": dict.fromkeys(("bounding", "effective", "inheritable", "permitted", "ambient"), capabilities),
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": c.hostname,
        "annotations": {COMPILED: base64.b64encode(program).decode()} if program else {},
        "mounts": [*_system_mounts(c), *_tmpfs(), *_volumes(c, kept), *_custody(c), *_control(c), *_devices(c)],
        "linux": {
            "namespaces": _namespaces(c),
            "resources": _resources(c),
            "cgroupsPath": f"/modulux/{c.name}",
            "seccomp": dict(seccomp),
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READ_ONLY),
            **({"rootfsPropagation": "rslave"} if any(m.target == MEDIA for m in c.mounts) else {}),
        },
    }


def _mount(target: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _system_mounts(c: Container) -> list[dict[str, Any]]:
    owner = c.name if c.ipc in ("private", "shareable") else c.ipc
    return [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "noexec", "strictatime", "mode=755", "size=64k"),
        _mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/dev/shm", "bind", f"{SHM}/{owner}", "bind", "nosuid", "noexec", "nodev"),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro"),
    ]


def _tmpfs() -> list[dict[str, Any]]:
    return [_mount(path, "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777", f"size={size}") for path, size in TMPFS.items()]


def _volumes(c: Container, kept: frozenset[str]) -> list[dict[str, Any]]:
    mounts = []
    for m in c.mounts:
        if m.source.startswith("/"):
            raise ResolveError(
                f"`{c.short}` shares {m.source}, a folder of a host", hint="on a machine a share is a volume: `path:` alone"
            )
        source = f"{KEPT if m.source in kept else PASSING}/{m.source}"
        bound = ("rbind", "rslave") if m.target == MEDIA else ("bind",)
        mounts.append(_mount(m.target, "bind", source, *bound, "ro" if m.read_only else "rw", "nosuid", "nodev"))
        if m.target == RESOLVER:
            mounts.append(_mount("/etc/resolv.conf", "bind", f"{source}/resolv.conf", "bind", "ro", "nosuid", "nodev"))
    return mounts


def in_custody(c: Container) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The volumes that it keeps, to be read, each desktop's as they lie in a snapshot: beside what is said of the desktop.

    Returns:
        What is mounted there (source, target, `ro` or `rw`), and the places that lie in memory.
    """
    if not c.custody:
        return [], []
    kept = [name.split(".", 2) for name in c.custody]
    shown = [(STAGING, f"{CUSTODY}/staging", "rw"), *((source, f"{CUSTODY}/{place}", "ro") for place, source in TOLD.items())]
    shown += [(f"{KEPT}/{'.'.join(name)}", f"{CUSTODY}/desktops/{name[1]}/volumes/{name[2]}", "ro") for name in kept]
    return shown, [f"{CUSTODY}/desktops/{desktop}/desktop" for desktop in sorted({name[1] for name in kept})]


def _custody(c: Container) -> list[dict[str, Any]]:
    shown, said = in_custody(c)
    mounts = [_mount(target, "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777", f"size={SAID}") for target in said]
    return [
        *mounts,
        *(_mount(target, "bind", source, "bind", "nosuid", "nodev", "noexec", how) for source, target, how in shown),
    ]


def commands(c: Container) -> list[tuple[str, str]]:
    """The folder of the socket by which it commands the machine, if it does: where PID 1 has it, and where it finds it."""
    return [(f"{COMMANDS}/{c.name}", COMMANDED)] if c.control else []


def _control(c: Container) -> list[dict[str, Any]]:
    return [_mount(target, "bind", source, "bind", "ro", "nosuid", "nodev", "noexec") for source, target in commands(c)]


def _devices(c: Container) -> list[dict[str, Any]]:
    for path in c.devices:
        if path not in DEVICES and not TERMINAL.fullmatch(path):
            raise ResolveError(
                f"`{c.module}` declares {path}, which a machine does not give", hint=f"it gives {', '.join(sorted(DEVICES))}"
            )
    found = [_mount(path, "bind", path, "bind", "nosuid", "noexec") for path in c.devices]
    own = [_mount(SEEN, "bind", path, "bind", "nosuid", "noexec") for path in c.devices if TERMINAL.fullmatch(path)]
    door = [_mount(ASKED, "bind", f"{ASKS}/{c.name}", "bind", "ro", "nosuid", "nodev", "noexec")] if asks(c) else []
    return found + own + door


def tells_of_devices(c: Container) -> str | None:
    """The volume in which it says which devices there are, if it does."""
    return next((m.source for m in c.mounts if m.target == DEVICES_KNOWN and not m.read_only), None)


def waits_for_devices(c: Container) -> bool:
    """Whether it is not started before drivers have been loaded. Terminals are always there; of sticks there need be none."""
    waited = (path for path in c.devices if path != STICKS and not TERMINAL.fullmatch(path))
    return any(waited) or tells_of_devices(c) is not None


def asks(c: Container) -> bool:
    """Whether it has a socket at which it may ask PID 1 for what a module in a container cannot do."""
    return STICKS in c.devices or tells_of_devices(c) is not None


def numbers(path: str) -> Mapping[str, Any]:
    """What the kernel counts what lies at a device's path as: its `type`, `major`, and `minor` of a single one."""
    terminal = TERMINAL.fullmatch(path)
    return {"type": "c", "major": 4, "minor": int(terminal[1])} if terminal else DEVICES[path]


def _namespaces(c: Container) -> list[dict[str, str]]:
    shared = {"private": None, "shareable": c.name}.get(c.ipc, c.ipc)  # held by PID 1, so it outlives its owner's restart
    ipc = {"type": "ipc"} | ({"path": f"{IPC}/{shared}"} if shared else {})
    told = told_of_devices(c)
    own = [] if on_machine_network(c) else [{"type": "network"} | ({"path": told} if told else {})]
    return [{"type": "pid"}, {"type": "mount"}, {"type": "uts"}, *own, {"type": "cgroup"}, ipc]


def told_of_devices(c: Container) -> str | None:
    """The network namespace in which it hears of devices, as a path on the machine, if it does."""
    return next((f"{SPACES}/{m.source}" for m in c.mounts if m.target == DEVICES_KNOWN), None)


def volumes(c: Container, kept: Collection[str]) -> list[str]:
    """Where, on the machine, the volumes lie that it has, or keeps; of them, `kept` are the names of those that hold data."""
    own = [f"{KEPT if m.source in kept else PASSING}/{m.source}" for m in c.mounts]
    return [*own, *(f"{KEPT}/{name}" for name in c.custody)]


def on_machine_network(c: Container) -> bool:
    """Whether it has the machine's own network, as what reaches the internet or serves those outside; others have none."""
    return any(not network.endswith(".desktop") for network in c.networks)


def shares(c: Container) -> int:
    """Its part of a busy processor."""
    return SHARES.get(Role(c.role), OTHERS)


def _resources(c: Container) -> dict[str, Any]:
    allowed = [{"allow": True, "access": "rw", **numbers(path)} for path in c.devices]
    return {
        "devices": [{"allow": False, "access": "rwm"}, *allowed],
        "memory": {"limit": c.memory, "swap": c.memory},
        "cpu": {"quota": int(c.cpus * CPU_PERIOD), "period": CPU_PERIOD, "shares": shares(c)},
        "pids": {"limit": c.pids},
    }
