"""What the gateway is told at its start: ports, paths, limits. Defaults are those of the container."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_STATE = Path(os.environ.get("XDG_RUNTIME_DIR") or "/run/user/1000") / "gateway"


@dataclass(frozen=True)
class Settings:
    """One field for each option; times are in seconds, sizes in bytes."""

    # An engine publishes it on the host's loopback only. On a machine of containers, whose own network it has, it is told where
    # to listen.
    listen: str = os.environ.get("MODULUX_LISTEN") or "0.0.0.0"
    web_port: int = int(os.environ.get("MODULUX_PORT_WEB") or 6080)
    vnc_port: int = int(os.environ.get("MODULUX_PORT_VNC") or 5900)
    viewers: Path = Path("/run/modulux/rfb")
    resize: Path = Path("/run/modulux/resize")
    own_pages: Path = Path("/run/modulux/page")
    clipboard: Path = Path("/run/modulux/clipboard")
    sound: Path = Path("/run/modulux/sound/opus.sock")
    first: str = os.environ.get("MODULUX_SESSION") or ""  # the screen that is shown to who names none
    state: Path = _STATE
    pages: Path = Path("/usr/share/modulux/gateway")
    novnc: Path = Path("/usr/share/novnc")
    desktop: str = os.environ.get("MODULUX_DESKTOP") or "desktop"
    hosts: str = ""
    link_lifetime: int = 600
    session_lifetime: int = 12 * 3600
    connections: int = 16
    quality: int = 9
    compression: int = 0
    timeout: float = 10.0
    password_timeout: float = 120.0
    failure_delay: float = 0.5
    message_size: int = 1 << 20

    @classmethod
    def parse(cls, arguments: list[str]) -> Settings:
        """Settings from `--web-port=6080` and the like.

        Raises:
            ValueError: an option is unknown or its value is not of its type.
        """
        kinds: dict[str, type[Any]] = {field.name: type(field.default) for field in fields(cls)}
        values: dict[str, Any] = {}
        for argument in arguments:
            name, equals, text = argument.removeprefix("--").partition("=")
            kind = kinds.get(name.replace("-", "_"))
            if kind is None or not equals or not argument.startswith("--"):
                raise ValueError(f"unknown option: {argument!r}")
            try:
                values[name.replace("-", "_")] = Path(text) if issubclass(kind, Path) else kind(text)
            except ValueError:
                raise ValueError(f"--{name} is not of type {kind.__name__}: {text!r}") from None
        return cls(**values)

    @property
    def cookie(self) -> str:
        """The session cookie's name. Browsers share cookies among all ports of a host, so it holds the desktop's name."""
        return "modulux-" + "".join(c if c.isascii() and (c.isalnum() or c == "-") else "_" for c in self.desktop)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names, without port, by which a browser may call the gateway. Others are DNS rebinding, or a mistake."""
        extra = (host.strip().lower() for host in self.hosts.split(","))
        return frozenset({"localhost", "127.0.0.1", "[::1]", *extra} - {""})
