"""Ports that a desktop's file fixes: is somebody else on them?"""

from __future__ import annotations

import socket

from modulux.host.finding import Finding, Status, System


def check(system: System) -> list[Finding]:
    """One finding for each port of `system.ports` on the loopback."""
    return [_port(port) for port in system.ports]


def _port(port: int) -> Finding:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except PermissionError:
            mend = "take a port of 1024 or more, or leave it out: one that is free is found"
            return Finding(f"port {port}", Status.FAIL, "only root may take it", mend)
        except OSError as error:
            mend = f"ss -ltnp 'sport = :{port}' shows who has it; leave the port out of the file and one that is free is found"
            return Finding(f"port {port}", Status.FAIL, f"is taken ({error.strerror})", mend)
    return Finding(f"port {port}", Status.OK, "free")
