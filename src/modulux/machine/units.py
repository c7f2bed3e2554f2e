"""A machine's containers as units of systemd (Podman's Quadlet), for `init: systemd`: the same plan, held to the same floor.

Nothing is in an image store: a container stands on what PID 1 has mounted before it became systemd, its root, its volumes, its
IPC namespace. So a unit says by itself what else an image's configuration would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modulux.carry.quadlet import quoted, stem, unit_file
from modulux.engine.commandline import TMPFS
from modulux.engine.protocol import ImageFacts
from modulux.machine.bootplan import of_the_picture
from modulux.machine.bundle import (
    ASKED,
    ASKS,
    IPC,
    KEPT,
    MEDIA,
    PASSING,
    RESOLVER,
    SAID,
    SEEN,
    SHM,
    TERMINAL,
    asks,
    commands,
    in_custody,
    numbers,
    on_machine_network,
    shares,
    told_of_devices,
    waits_for_devices,
)
from modulux.model.plan import Container

BUNDLES = "/run/machine/bundles"
AT_BOOT, LATER = "multi-user.target", "machine-later.target"

SHARE, WEIGHT = 1024, 100
"""Of a busy processor, what everybody has: in the words of engines, and in systemd's."""

RESTART = {"always": "always", "on-failure": "on-failure", "never": "no"}

Lines = Iterable[tuple[str, str]]


def wanted_by(containers: Sequence[Container]) -> dict[str, str | None]:
    """What has systemd start each: the boot, for who makes the picture; later, by a word of PID 1's, all others. Nothing, but a
    word of PID 1's for it alone, where it rests, or waits for devices, whose drivers PID 1 loads, and displays for their turn.
    """
    picture = of_the_picture(containers)
    told = {c.name for c in containers if c.rests or waits_for_devices(c)}
    return {c.name: None if c.name in told else AT_BOOT if c.name in picture else LATER for c in containers}


def unit(c: Container, image: ImageFacts, kept: Collection[str], *, wanted_by: str | None = AT_BOOT) -> str:
    """The unit's text.

    Args:
        kept: of its volumes, the names of those that hold data.
        wanted_by: the target with which systemd starts it, if it does.
    """
    return unit_file(
        {
            "Unit": _unit(c),
            "Container": _container(c, image, kept),
            "Service": [
                ("Restart", RESTART[c.env.get("MODULUX_RESTART", "always")]),
                ("RestartSec", "1"),  # and ever later, if it does not stay alive
                ("RestartSteps", "6"),
                ("RestartMaxDelaySec", "60"),
                ("TimeoutStartSec", "300"),
                ("TimeoutStopSec", "45"),  # more than `init end` may take
                ("CPUWeight", str(shares(c) * WEIGHT // SHARE)),
            ],
            **({"Install": [("WantedBy", wanted_by)]} if wanted_by else {}),
        }
    )


def filter_of(c: Container) -> bytes | None:
    """The filter of a module that has one of its own; the others have Podman's."""
    return Path(c.seccomp).read_bytes() if c.seccomp else None


def _unit(c: Container) -> Lines:
    yield "Description", f"{c.module} of {c.hostname}"
    if own := filter_of(c):
        yield "X-Filter", hashlib.sha256(own).hexdigest()  # the unit is another when the filter is
    yield "StartLimitIntervalSec", "0"
    yield from (("After", f"{stem(name)}.service") for name in c.needs)


def _container(c: Container, image: ImageFacts, kept: Collection[str]) -> Lines:
    env = dict(pair.split("=", 1) for pair in image.env) | c.env
    yield "ContainerName", c.name
    yield "HostName", c.hostname
    yield "Rootfs", f"{BUNDLES}/{c.name}/rootfs"
    yield "Exec", " ".join(quoted(word.replace("$", "$$")) for word in (*image.entrypoint, *c.command))
    yield "WorkingDir", image.folder
    yield "User", "1000"
    yield "Group", "1000"
    yield "ReadOnly", "true"
    yield "NoNewPrivileges", "true"
    yield "DropCapability", "all"
    yield from (("AddCapability", name) for name in c.capabilities)
    if c.seccomp:
        yield "SeccompProfile", f"{BUNDLES}/{c.name}/seccomp.json"
    yield from (("Tmpfs", f"{path}:rw,nosuid,nodev,mode=1777,size={size}") for path, size in TMPFS.items())
    yield from _mounts(c, kept)
    yield "Network", _network(c)
    yield "PidsLimit", str(c.pids)
    yield from _arguments(c)
    yield from (("Environment", quoted(f"{name}={value}".replace("$", "$$"))) for name, value in env.items())


def _network(c: Container) -> str:
    if on_machine_network(c):
        return "host"
    told = told_of_devices(c)
    return f"ns:{told}" if told else "none"


def _mounts(c: Container, kept: Collection[str]) -> Lines:
    owner = c.name if c.ipc in ("private", "shareable") else c.ipc
    yield "Volume", f"{SHM}/{owner}:/dev/shm:rw,nosuid,noexec,nodev"
    yield from (("Volume", f"{device}:{device}:dev,nosuid,noexec") for device in c.devices)  # else devices in it are none
    yield from (("Volume", f"{device}:{SEEN}:dev,nosuid,noexec") for device in c.devices if TERMINAL.fullmatch(device))
    if asks(c):
        yield "Volume", f"{ASKS}/{c.name}:{ASKED}:ro,nosuid,nodev,noexec"
    for mount in c.mounts:
        source = f"{KEPT if mount.source in kept else PASSING}/{mount.source}"
        seen = ",rbind,rslave" if mount.target == MEDIA else ""  # what is mounted there later
        yield "Volume", f"{source}:{mount.target}:{'ro' if mount.read_only else 'rw'}{seen}"
        if mount.target == RESOLVER:
            yield "Volume", f"{source}/resolv.conf:/etc/resolv.conf:ro"
    yield from (("Volume", f"{source}:{target}:ro,nosuid,nodev,noexec") for source, target in commands(c))
    shown, said = in_custody(c)
    yield from (("Tmpfs", f"{place}:rw,nosuid,nodev,mode=1777,size={SAID}") for place in said)
    yield from (("Volume", f"{source}:{target}:{how},nosuid,nodev,noexec") for source, target, how in shown)


def _arguments(c: Container) -> Lines:
    """What has no key of its own in every Podman that has the generator."""
    owner = c.name if c.ipc in ("private", "shareable") else c.ipc
    yield "PodmanArgs", f"--ipc=ns:{IPC}/{owner} --memory={c.memory} --memory-swap={c.memory} --cpus={c.cpus:g}"
    yield "PodmanArgs", f"--stop-timeout=5 --pidfile=/run/{stem(c.name)}.pid"
    for device in c.devices:
        yield "PodmanArgs", f"--device-cgroup-rule={quoted(_rule(numbers(device)))}"


def _rule(number: Mapping[str, Any]) -> str:
    return f"{number['type']} {number.get('major', '*')}:{number.get('minor', '*')} {number.get('access', 'rw')}"
