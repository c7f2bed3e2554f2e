"""Machines elsewhere: `ssh://HOST[:PORT]`, what it means, and the command that talks to one (`service/ssh`). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modulux.errors import UsageError

SCHEME = "ssh://"
PORT = 2222
"""Where `service/ssh` listens."""

USER = "user"
"""Who every module of a machine is; it is known by its key, not by a name."""

CONTROL, KEEPER = "control", "keeper"
"""What may be asked for there (`join`): PID 1, or `modulux` in the machine."""

_ADDRESS = re.compile(
    r"(?P<host>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\])(:(?P<port>[0-9]{1,5}))?/?"
)

OPTIONS = {
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "RequestTTY": "no",
    "RemoteCommand": "none",
    "EscapeChar": "none",
    "ConnectTimeout": "20",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
}
"""Whatever the person's own configuration of `ssh` says."""


@dataclass(frozen=True)
class Remote:
    """One thing that may be asked of the machine at `host` (an IPv6 address without its brackets) and `port`."""

    host: str
    port: int
    what: str = CONTROL

    @property
    def argv(self) -> list[str]:
        """The command whose stdin and stdout are the talk. It asks the person, on the terminal, what it must."""
        options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-T", "-l", USER, "-p", str(self.port), *options, "--", self.host, self.what]

    @property
    def written(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{SCHEME}{self.written}" + ("" if self.port == PORT else f":{self.port}")


def is_address(word: str) -> bool:
    """Whether a machine's name is the address of one elsewhere."""
    return "://" in word


def parse(word: str) -> Remote:
    """The machine at an address.

    Raises:
        UsageError: it is none.
    """
    found = _ADDRESS.fullmatch(word.removeprefix(SCHEME)) if word.startswith(SCHEME) else None
    port = int(found["port"] or PORT) if found else 0
    if found is None or not 1 <= port <= 65535:
        raise UsageError(
            f"{word!r:.80} is no address of a machine",
            hint=f"ssh://HOST or ssh://HOST:PORT (without, {PORT}); no user's name: who asks is known by the key",
        )
    return Remote(found["host"].strip("[]"), port)
