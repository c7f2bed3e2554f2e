"""What this host does not allow an engine, and what to pass to the engine because of it.

Reads a few small files and two limits of this process; starts nothing, so that each command can afford it. Standard
library only.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from modulux.host.storage import storage_environment

ENGINE_DEFAULT = 1_048_576
"""What Podman asks for, for open files and for processes, when it is told nothing."""

OPEN_FILES = 65_536
"""Enough for every browser; some old programs close each descriptor up to the limit, which takes them seconds at a million."""

PROCESSES = 32_768
"""Threads of one user in all desktops together; below a hard limit that cannot be raised, since engines miscount it by one."""

CAP_SYS_RESOURCE = 24

LIMITS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}


class Cgroups(StrEnum):
    """How the host's control groups are laid out."""

    UNIFIED = "unified"
    HYBRID = "hybrid"
    LEGACY = "legacy"


@dataclass(frozen=True)
class Workarounds:
    """What to pass to the engine on this host.

    runtime: the OCI runtime to ask for, None for the engine's own choice.
    ulimits: `--ulimit NAME=N:N` for each container.
    environment: variables for each of its calls.
    notes: one sentence for each thing worked around, for `doctor` and for the log.
    """

    runtime: str | None = None
    ulimits: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def cgroups(sys: Path = Path("/sys")) -> Cgroups:
    """The layout of the control groups mounted under `sys`."""
    root = sys / "fs/cgroup"
    if (root / "cgroup.controllers").exists():
        return Cgroups.UNIFIED
    if (root / "unified/cgroup.procs").exists():
        return Cgroups.HYBRID
    return Cgroups.LEGACY


def may_raise_limits(proc: Path = Path("/proc")) -> bool:
    """Whether this process may raise hard limits (CAP_SYS_RESOURCE, which some virtual hosts withhold from root)."""
    try:
        status = (proc / "self/status").read_text()
    except OSError:
        return False
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return False


def hard_limits() -> dict[str, int]:
    """The hard limits of this process on open files and processes; one that is unlimited is left out."""
    hard = {name: resource.getrlimit(number)[1] for name, number in LIMITS.items()}
    return {name: limit for name, limit in hard.items() if limit != resource.RLIM_INFINITY}


def engine_workarounds(
    engine: str = "podman",
    *,
    proc: Path = Path("/proc"),
    sys: Path = Path("/sys"),
    hard: Mapping[str, int] | None = None,
    which: Callable[[str], str | None] = shutil.which,
    storage: Mapping[str, str] | None = None,
) -> Workarounds:
    """What to pass to `engine` ("podman" or "docker") on this host.

    Args:
        proc, sys: where those file systems are mounted.
        hard: hard limits by name; this process's own without.
        which: finds a program on the path.
        storage: what `storage_environment` says; asked for this user without.
    """
    hard = hard_limits() if hard is None else hard
    ulimits = {"nofile": min(OPEN_FILES, hard.get("nofile", OPEN_FILES))}
    notes: list[str] = []
    if engine != "podman":  # Docker gives a container the daemon's own limits, and drives runc through the daemon
        return Workarounds(None, ulimits, {}, notes)
    environment = dict((storage_environment(os.environ) if os.geteuid() else {}) if storage is None else storage)
    if environment:
        notes.append("without root Podman may choose to copy images at each start: it is told to stack their layers (overlay)")
    low = {name: limit for name, limit in hard.items() if limit < ENGINE_DEFAULT}
    if low and not may_raise_limits(proc):
        shown = ", ".join(f"{name} {limit}" for name, limit in sorted(low.items()))
        notes.append(f"the hard limits here ({shown}) cannot be raised: containers are given no more than that")
        ulimits = {name: min(limit - 1, PROCESSES) for name, limit in low.items()} | ulimits
    layout = cgroups(sys)
    if layout is Cgroups.UNIFIED:
        return Workarounds(None, ulimits, environment, notes)
    environment["PODMAN_IGNORE_CGROUPSV1_WARNING"] = "1"  # Podman 5 would say so with every call
    if not which("runc"):
        return Workarounds(None, ulimits, environment, notes)
    notes.append(f"control groups are {layout}, which crun refuses: containers are run by runc")
    return Workarounds("runc", ulimits, environment, notes)
