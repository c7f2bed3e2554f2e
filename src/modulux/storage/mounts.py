"""What is mounted where, how full it is, and which of it lies on one file system."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")

NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs"}
)
"""File systems that come over a network; those by FUSE carry their name after a dot."""

NETWORK_FUSE = ("sshfs", "glusterfs", "s3fs", "rclone", "davfs", "cephfs", "gcsfuse")

DISKS = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "reiserfs", "xfs", "zfs"})
"""File systems of disks, as `show` lists them."""


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo.

    device: major and minor number. root: what of the file system is mounted, "/" for all of it.
    """

    id: int
    parent: int
    point: Path
    root: str
    device: str
    fstype: str
    source: str
    options: frozenset[str]

    @property
    def network(self) -> bool:
        return self.fstype in NETWORK or any(name in self.fstype for name in NETWORK_FUSE)

    @property
    def identity(self) -> str:
        """The same for all mounts of one file system; Btrfs gives each subvolume a device number of its own."""
        return self.source if self.fstype == "btrfs" and self.source.startswith("/") else self.device


@dataclass(frozen=True)
class Space:
    """Room on a file system in bytes and inodes; `inodes_free` is None where they are made when needed."""

    size: int
    free: int
    inodes_free: int | None


def mounts(text: str | None = None) -> list[Mount]:
    """All mounts that can be reached, in the order in which they were made; what another mount hides is not among them."""
    lines = (MOUNTINFO.read_text(errors="surrogateescape") if text is None else text).splitlines()
    listed = [_mount(line) for line in lines]
    below: dict[int, list[Mount]] = {}
    for mount in listed:
        below.setdefault(mount.parent, []).append(mount)
    hidden: set[int] = set()
    for mount in listed:
        # one that was mounted later, higher up on the same parent
        covers = any(m.point != mount.point and mount.point.is_relative_to(m.point) for m in below[mount.parent])
        if covers or mount.parent in hidden:
            hidden.add(mount.id)
    return [mount for mount in listed if mount.id not in hidden]


def _mount(line: str) -> Mount:
    left, _, right = line.partition(" - ")
    fields, more = left.split(" "), right.split(" ")
    options = frozenset(fields[5].split(",")) | frozenset(more[2].split(",") if len(more) > 2 else ())
    return Mount(
        int(fields[0]), int(fields[1]), Path(_plain(fields[4])), _plain(fields[3]), fields[2], more[0], _plain(more[1]), options
    )


def _plain(text: str) -> str:
    """Mountinfo writes space, tab, newline and backslash as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def mount_of(path: Path, listed: Iterable[Mount] | None = None) -> Mount:
    """The mount on which `path` lies, or would if it were made."""
    path = path.resolve()
    found: Mount | None = None
    for mount in mounts() if listed is None else listed:
        # of two at one place the later one is on top
        if path.is_relative_to(mount.point) and (found is None or len(mount.point.parts) >= len(found.point.parts)):
            found = mount
    assert found is not None, "nothing is mounted at /"
    return found


def at(point: Path, listed: Iterable[Mount] | None = None) -> Mount | None:
    """What is mounted at `point` itself, the uppermost."""
    return next((m for m in reversed(list(mounts() if listed is None else listed)) if m.point == point), None)


def below(folder: Path, listed: Iterable[Mount] | None = None) -> list[Mount]:
    """What is mounted on folders inside `folder`, the innermost and latest first; `folder` itself does not count."""
    inside = [m for m in (mounts() if listed is None else listed) if m.point != folder and m.point.is_relative_to(folder)]
    inside.reverse()
    return sorted(inside, key=lambda m: -len(m.point.parts))


def on_itself(mount: Mount, listed: Iterable[Mount] | None = None) -> bool:
    """Whether a folder is mounted on itself, as engines do to keep mounts below it to themselves."""
    listed = list(mounts() if listed is None else listed)
    earlier = listed[: listed.index(mount)] if mount in listed else listed
    if any((m.point, m.device, m.root) == (mount.point, mount.device, mount.root) for m in earlier):
        return True  # once more what is mounted there already
    parent = mount_of(mount.point.parent, [m for m in listed if m.point != mount.point])
    inner = mount.point.relative_to(parent.point).as_posix()
    return mount.device == parent.device and mount.root == f"{parent.root.rstrip('/')}/{inner}"


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


def same_file_system(one: Path, other: Path) -> bool:
    """Whether two paths lie on one file system, or would."""
    one, other = existing(one), existing(other)
    return one.stat().st_dev == other.stat().st_dev or mount_of(one).identity == mount_of(other).identity


def space(path: Path) -> Space:
    """The room on the file system of `path`, as far as root may fill it up without its reserve."""
    found = os.statvfs(existing(path))
    inodes = found.f_favail if found.f_files else None
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, inodes)


def disks(listed: Iterable[Mount] | None = None) -> list[Mount]:
    """Every disk's file system once, where the whole of it is mounted if it is anywhere."""
    found: dict[str, Mount] = {}
    for mount in mounts() if listed is None else listed:
        if mount.fstype not in DISKS or not mount.point.is_dir():
            continue
        before = found.get(mount.identity)
        if before is None or (before.root != "/" and mount.root == "/"):
            found[mount.identity] = mount
    return sorted(found.values(), key=lambda m: str(m.point))
