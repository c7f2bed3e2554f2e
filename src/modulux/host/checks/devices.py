"""Device files that containers without root need open to the user."""

from __future__ import annotations

import os

from modulux.host.checks.engine import numbers
from modulux.host.finding import EngineInfo, Finding, Status, System
from modulux.host.storage import OWN_OVERLAY


def check(system: System, info: EngineInfo) -> list[Finding]:
    """/dev/net/tun for the network, /dev/fuse for image layers where nothing better is there."""
    if not system.rootless:
        return []
    return [_open(system, "dev/net/tun", "networks of containers without root"), _fuse(system, info)]


def _fuse(system: System, info: EngineInfo) -> Finding:
    found = _open(system, "dev/fuse", "quick storage of image layers without root")
    if found.status is Status.OK:
        return found
    if info.driver == "overlay" or numbers(system.text("proc/sys/kernel/osrelease") or "") >= OWN_OVERLAY:
        return Finding(found.name, Status.OK, "not to be had, and not needed: the kernel stacks layers itself")
    return Finding(
        found.name,
        Status.WARN,
        found.found.replace("cannot work", "is not to be had; Podman copies images instead"),
        found.mend,
    )


def _open(system: System, path: str, use: str) -> Finding:
    file = system.root / path
    name = f"/{path}"
    if not file.exists():
        return Finding(name, Status.FAIL, f"is not there: {use} cannot work", f"modprobe {file.name}, or run Modulux as root")
    if not os.access(file, os.R_OK | os.W_OK):
        mend = f'as root: chmod 666 {name} (a udev rule keeps it: KERNEL=="{file.name}", MODE="0666"), or run Modulux as root'
        return Finding(name, Status.FAIL, f"is closed to {system.user}: {use} cannot work", mend)
    return Finding(name, Status.OK, "open")
