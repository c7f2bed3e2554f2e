"""Ports that a desktop's file fixes: is somebody else on them?"""

from __future__ import annotations

from modulux.host.finding import Finding, Status, System
from modulux.ports import taken


def check(system: System) -> list[Finding]:
    """One finding for each port of `system.ports` on the loopback."""
    return [_port(port) for port in system.ports]


def _port(port: int) -> Finding:
    why = taken("127.0.0.1", port)
    if why is None:
        return Finding(f"port {port}", Status.OK, "free")
    if isinstance(why, PermissionError):
        mend = "take a port of 1024 or more, or leave it out: one that is free is found"
        return Finding(f"port {port}", Status.FAIL, "only root may take it", mend)
    mend = f"ss -ltnp 'sport = :{port}' shows who has it; leave the port out of the file and one that is free is found"
    return Finding(f"port {port}", Status.FAIL, f"is taken ({why.strerror})", mend)
