"""TCP ports of this host."""

from __future__ import annotations

import socket


def taken(address: str, port: int) -> OSError | None:
    """Why nothing could listen at `address`:`port` now (PermissionError: only root may), or None when it is free."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((address, port))
        except OSError as error:
            return error
    return None
