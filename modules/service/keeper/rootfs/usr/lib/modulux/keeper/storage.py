"""Where the data of a machine lies: its disk, and how large each volume is."""

from __future__ import annotations

import os
import shutil
from typing import Any

from machine import STAGING, desktop, desktops

BLOCK = 512


def shown() -> dict[str, Any]:
    """Bytes: of the disk that keeps what the machine writes, and of each desktop's volumes."""
    disk = shutil.disk_usage(STAGING)
    found = {}
    for name in desktops():
        one = desktop(name)
        found[name] = {part: _size(str(one.folder / "volumes" / part)) for part in one.parts}
    return {"disk": {"size": disk.total, "used": disk.used, "free": disk.free}, "desktops": found}


def _size(folder: str) -> int:
    seen: set[int] = set()
    total = 0
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            facts = os.lstat(os.path.join(path, name))  # noqa: PTH118
            if facts.st_ino not in seen:
                seen.add(facts.st_ino)
                total += facts.st_blocks * BLOCK
    return total


def told(data: dict[str, Any]) -> str:
    """The same for a person."""
    disk = data["disk"]
    lines = [f"the machine's disk: {disk['size'] / 1e6:,.0f} MB, {disk['free'] / 1e6:,.0f} MB of it free"]
    for name, volumes in data["desktops"].items():
        lines += [f"  {name:<20} {part:<28} {size / 1e6:>10,.1f} MB" for part, size in volumes.items()]
    return "\n".join(lines)
