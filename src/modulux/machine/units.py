"""A machine's containers as units of systemd (Podman's Quadlet), for `init: systemd`: the same plan, held to the same floor.

Nothing is in an image store: a container stands on what PID 1 has mounted before it became systemd, its root, its volumes, its
IPC namespace. So a unit says by itself what else an image's configuration would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modulux.carry.quadlet import quoted, stem, unit_file
from modulux.engine.commandline import TMPFS
from modulux.engine.protocol import ImageFacts
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
    STICKS,
    TERMINAL,
    in_custody,
    numbers,
    on_machine_network,
    shares,
)
from modulux.model.plan import Container, Plan

BUNDLES = "/run/machine/bundles"
FOLDER = "etc/containers/systemd"
"""Where Quadlet looks, on the machine."""

SETTLED = "systemd-udev-settle.service"

RESTART = {"always": "always", "on-failure": "on-failure", "never": "no"}

Lines = Iterable[tuple[str, str]]


def units(plan: Plan, facts: Mapping[str, ImageFacts]) -> dict[str, str]:
    """Every unit, by its file's name."""
    kept = {v.name for v in plan.volumes if v.kept}
    made = {}
    for c in plan.containers:
        made[f"{stem(c.name)}.container"] = unit_file(
            {
                "Unit": _unit(c),
                "Container": _container(c, facts[c.image], kept),
                "Service": [
                    ("Restart", RESTART[c.env.get("MODULUX_RESTART", "always")]),
                    ("RestartSec", "1"),
                    ("TimeoutStartSec", "300"),
                    ("TimeoutStopSec", "15"),
                ],
                "Install": [("WantedBy", "multi-user.target")],
            }
        )
    return made


def seccomp_file(c: Container) -> str:
    """Where, on the machine, the filter of a module with one of its own lies."""
    return f"/etc/machine/bundles/{c.name}.seccomp.json"


def _unit(c: Container) -> Lines:
    yield "Description", f"{c.module} of {c.hostname}"
    yield from (("After", f"{stem(name)}.service") for name in c.needs)
    if c.devices:  # they are given to user 1000 once drivers have been loaded
        yield "Wants", SETTLED
        yield "After", SETTLED


def _container(c: Container, image: ImageFacts, kept: set[str]) -> Lines:
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
        yield "SeccompProfile", seccomp_file(c)
    yield from (("Tmpfs", f"{path}:rw,nosuid,nodev,mode=1777,size={size}") for path, size in TMPFS.items())
    yield from _mounts(c, kept)
    yield "Network", "host" if on_machine_network(c) else "none"
    yield "PidsLimit", str(c.pids)
    yield from _arguments(c)
    yield from (("Environment", quoted(f"{name}={value}".replace("$", "$$"))) for name, value in env.items())


def _mounts(c: Container, kept: set[str]) -> Lines:
    owner = c.name if c.ipc in ("private", "shareable") else c.ipc
    yield "Volume", f"{SHM}/{owner}:/dev/shm:rw,nosuid,noexec,nodev"
    yield from (("Volume", f"{device}:{device}:dev,nosuid,noexec") for device in c.devices)  # else devices in it are none
    yield from (("Volume", f"{device}:{SEEN}:dev,nosuid,noexec") for device in c.devices if TERMINAL.fullmatch(device))
    if STICKS in c.devices:
        yield "Volume", f"{ASKS}/{c.name}:{ASKED}:ro,nosuid,nodev,noexec"
    for mount in c.mounts:
        source = f"{KEPT if mount.source in kept else PASSING}/{mount.source}"
        seen = ",rbind,rslave" if mount.target == MEDIA else ""  # what is mounted there later
        yield "Volume", f"{source}:{mount.target}:{'ro' if mount.read_only else 'rw'}{seen}"
        if mount.target == RESOLVER:
            yield "Volume", f"{source}/resolv.conf:/etc/resolv.conf:ro"
    shown, said = in_custody(c)
    yield from (("Tmpfs", f"{place}:rw,nosuid,nodev,mode=1777,size={SAID}") for place in said)
    yield from (("Volume", f"{source}:{target}:{how},nosuid,nodev,noexec") for source, target, how in shown)


def _arguments(c: Container) -> Lines:
    """What has no key of its own in every Podman that has the generator."""
    owner = c.name if c.ipc in ("private", "shareable") else c.ipc
    yield "PodmanArgs", f"--ipc=ns:{IPC}/{owner} --memory={c.memory} --memory-swap={c.memory} --cpus={c.cpus:g}"
    yield "PodmanArgs", f"--cpu-shares={shares(c)} --stop-timeout=5"
    for device in c.devices:
        yield "PodmanArgs", f"--device-cgroup-rule={quoted(_rule(numbers(device)))}"


def _rule(number: Mapping[str, Any]) -> str:
    return f"{number['type']} {number.get('major', '*')}:{number.get('minor', '*')} {number.get('access', 'rw')}"
