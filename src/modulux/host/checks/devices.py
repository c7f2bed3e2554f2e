"""Device files that containers without root need open to the user."""

from __future__ import annotations

import os

from modulux.host.finding import Finding, Status, System


def check(system: System) -> list[Finding]:
    """/dev/net/tun for the network; nothing else is needed where the kernel's own overlay works without root."""
    if not system.rootless:
        return []
    return [_open(system, "dev/net/tun", "networks of containers without root")]


def _open(system: System, path: str, use: str) -> Finding:
    file = system.root / path
    name = f"/{path}"
    if not file.exists():
        return Finding(name, Status.FAIL, f"is not there: {use} cannot work", f"modprobe {file.name}, or run Modulux as root")
    if not os.access(file, os.R_OK | os.W_OK):
        mend = f'as root: chmod 666 {name} (a udev rule keeps it: KERNEL=="{file.name}", MODE="0666"), or run Modulux as root'
        return Finding(name, Status.FAIL, f"is closed to {system.user}: {use} cannot work", mend)
    return Finding(name, Status.OK, "open")
