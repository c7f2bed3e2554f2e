"""Where machines lie on this host: what was built, the disks of virtual machines, and the sockets of those that run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from modulux.paths import cache, data


def built_folder(name: str) -> Path:
    """What `machine build` makes without being told where; it can be made again."""
    return cache() / "machine" / "built" / name


def disks_folder(name: str) -> Path:
    """The state of the virtual machine of this name: a person's files, kept until they are removed."""
    return data() / "machines" / name


def sockets_folder(name: str) -> Path:
    """Sockets and logs of the virtual machine of this name while it runs. Short: the path of a socket has 107 bytes at most."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir()) / f"modulux-{os.getuid()}"
    return base / "modulux-machines" / name


def running_names() -> list[str]:
    """Names of the virtual machines that have sockets here; one that was killed leaves them."""
    folder = sockets_folder("any").parent
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
