"""Where the engine keeps its data: room for it, and a file system that layers can be stacked on."""

from __future__ import annotations

import os
from pathlib import Path

from modulux.host.finding import EngineInfo, Finding, Status, System
from modulux.host.storage import data_folder, storage_environment

GB = 1_000_000_000
TO_BUILD = 3 * GB
TO_RUN = GB // 2
SLOW = {"vfs"}


def check(system: System, info: EngineInfo) -> list[Finding]:
    """Free space and inodes where the data is, and the storage driver."""
    return [_space(info.data or _usual(system)), *_driver(system, info)]


def _usual(system: System) -> Path:
    if system.engine == "docker":
        return system.root / "var/lib/docker"
    if system.uid == 0:
        return system.root / "var/lib/containers/storage"
    return data_folder(system.environ, system.root)


def _space(data: Path) -> Finding:
    place = next(folder for folder in (data, *data.parents) if folder.exists())
    there = os.statvfs(place)
    return judge_space(data, there.f_bavail * there.f_frsize, there.f_favail if there.f_files else None)


def judge_space(data: Path, free: int, inodes: int | None) -> Finding:
    """What `free` bytes and `inodes` (None: not counted there) at `data` mean."""
    mend = f"free some: podman system df or docker system df shows what takes it; {data} can be moved to another disk"
    found = f"{free / GB:.1f} GB free at {data}"
    if inodes is not None and inodes < 10_000:
        return Finding("disk space", Status.FAIL, f"only {inodes} files more can be made at {data}", mend)
    if free < TO_RUN:
        return Finding("disk space", Status.FAIL, f"{found}: desktops need more to run", mend)
    if free < TO_BUILD:
        return Finding("disk space", Status.WARN, f"{found}: images need about {TO_BUILD / GB:.0f} GB to be built", mend)
    return Finding("disk space", Status.OK, found)


def _driver(system: System, info: EngineInfo) -> list[Finding]:
    name = "image layers"
    if info.driver in SLOW:
        found = f"stored by {info.driver}: each container is a full copy of its image, slow to start and large"
        mend = "podman system reset (removes all images, containers and volumes there), then write [storage] and "
        mend += 'driver = "overlay" into ~/.config/containers/storage.conf'
        return [Finding(name, Status.WARN, found, mend)]
    if info.driver is None:
        known = system.text("proc/filesystems")
        if known is not None and "overlay" not in known.split():
            return [Finding(name, Status.FAIL, "the kernel has no overlay file system", "modprobe overlay")]
        return []
    if not (system.rootless and info.version < (5,) and storage_environment(system.environ, system.root)):
        return [Finding(name, Status.OK, f"stored by {info.driver}")]
    workaround = "Podman is told to (STORAGE_DRIVER=overlay): by itself its version 4 would choose vfs"
    mend = 'write [storage] and driver = "overlay" into ~/.config/containers/storage.conf, and your own calls of it agree'
    return [Finding(name, Status.OK, f"stored by {info.driver}", mend, workaround)]
