"""How much memory containers take, read from the host's own accounts of their processes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modulux.engine.commandline import CommandLineEngine
from modulux.errors import EngineError


def inspect(engine: CommandLineEngine, kind: str, name: str) -> dict[str, Any]:
    """What the engine knows about a container, image or volume."""
    items = json.loads(engine.do(engine.argv(kind, "inspect", name)))
    if not items:
        raise EngineError(f"{engine.name}: no {kind} {name}")
    return dict(items[0])


def processes(engine: CommandLineEngine, containers: Sequence[str]) -> list[int]:
    """The host's numbers of all processes inside the containers: those in the same process namespace as its first one."""
    spaces = set()
    for name in containers:
        pid = int(inspect(engine, "container", name)["State"]["Pid"])
        with contextlib.suppress(OSError):
            spaces.add((Path("/proc") / str(pid) / "ns/pid").readlink())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "ns/pid").readlink() in spaces:
                    found.append(int(entry.name))
    return found


def pss(pids: Sequence[int]) -> int:
    """Bytes of memory that the processes take: what they share is divided among all that share it.

    Raises:
        EngineError: this user may not look (a rootless engine's processes belong to other users).
    """
    total = 0
    for pid in pids:
        try:
            text = (Path("/proc") / str(pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        except PermissionError:
            raise EngineError(
                "this user may not see how much memory the containers' processes take", hint="run this as root"
            ) from None
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024
