"""Whether a place can hold an engine's data: asked of the place itself, by trying everything that the data needs."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modulux import run
from modulux.storage import flags
from modulux.storage.mounts import Mount, existing, mount_of, space

OVERLAY = frozenset({"overlay", "overlay2", "overlayfs"})
"""Drivers that stack layers by the kernel's overlay (Docker 29 and containerd call it overlayfs)."""

OPTIONS = {"ro": "read-only", "noexec": "mounted noexec", "nosuid": "mounted nosuid", "nodev": "mounted nodev"}

RATE_BYTES = 64 << 20
UNKNOWN_TYPE = 0  # DT_UNKNOWN


@dataclass
class Judged:
    """Why a place will not do (empty: it will), what should be known, and how fast and fine-grained it is.

    rate: bytes a second, written and on the disk. granularity: nanoseconds that its times tell apart.
    """

    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rate: float = 0.0
    granularity: int = 1


def known_from_outside(mount: Mount, driver: str | None) -> list[str]:
    """What speaks against a mount without writing to it."""
    reasons = [f"{mount.point} is {text}" for option, text in OPTIONS.items() if option in mount.options]
    if mount.network:
        reasons.append(
            f"{mount.point} is a network mount ({mount.fstype}); the engine's data must lie on a disk of this machine"
        )
    elif mount.fstype in {"overlay", "squashfs", "erofs", "vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "iso9660"}:
        reasons.append(f"{mount.point} is {mount.fstype}, which cannot hold an engine's data")
    elif driver in OVERLAY and not reasons and not names_have_types(mount.point):
        reasons.append(no_types(mount))
    return reasons


def no_types(mount: Mount) -> str:
    """The reason against XFS made with ftype=0 and its like."""
    hint = " (made with ftype=0; mkfs.xfs -n ftype=1 makes one that does)" if mount.fstype == "xfs" else ""
    return f"{mount.point} does not keep the types of files in its folders{hint}: overlay cannot stand on it"


def judge(folder: Path, driver: str | None, *, needed_bytes: int, needed_inodes: int) -> Judged:
    """Judge the place by trying it: `folder`, or the nearest that exists above it. What is tried is removed again."""
    place = existing(folder)
    mount = mount_of(place)
    judged = Judged(known_from_outside(mount, driver))
    room = space(place)
    if room.free < needed_bytes:
        judged.reasons.append(f"{mount.point} has {room.free / 1e9:.2f} GB free, and {needed_bytes / 1e9:.2f} GB are needed")
    if room.inodes_free is not None and room.inodes_free < needed_inodes:
        judged.reasons.append(f"{mount.point} has {room.inodes_free} inodes free, and {needed_inodes} are needed")
    if judged.reasons:
        return judged
    with _trial(place) as trial:
        if trial is None:
            judged.reasons.append(f"{place} cannot be written to")
            return judged
        _try_features(trial, judged)
        if driver in OVERLAY and not judged.reasons:
            judged.reasons += _try_overlay(trial)
        judged.rate = _rate(trial)
    return judged


def clear(place: Path) -> None:
    """Remove what trials left that were killed, or whose removal did not reach the disk before the power failed."""
    for left in place.glob(".modulux-trial-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _trial(place: Path) -> Iterator[Path | None]:
    clear(place)
    try:
        folder = Path(tempfile.mkdtemp(prefix=".modulux-trial-", dir=place))
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def names_have_types(folder: Path) -> bool:
    """Whether folders of this file system say of each name what kind of file it is; `folder` has at least its own two names."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype, libc.readdir.restype = ctypes.c_void_p, ctypes.c_void_p
    libc.readdir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
    stream = libc.opendir(os.fsencode(folder))
    if not stream:
        return True  # cannot be looked at: whatever else is wrong will be found
    try:
        entry = libc.readdir(stream)
        # struct dirent: inode 8, offset 8, length of record 2, type 1
        return not entry or ctypes.c_ubyte.from_address(entry + 18).value != UNKNOWN_TYPE
    finally:
        libc.closedir(stream)


def _try_features(trial: Path, judged: Judged) -> None:
    """Owners, hard links, whiteouts, attributes of root, ACLs, times."""
    file = trial / "file"
    file.write_bytes(b"x")

    def attempt(what: str, action: object) -> None:
        assert callable(action)
        try:
            action()
        except OSError as error:
            judged.reasons.append(f"{trial.parent} cannot keep {what}: {error.strerror}")

    attempt("owners", lambda: os.chown(file, 12345, 54321))
    attempt("hard links", lambda: os.link(file, trial / "link"))
    attempt("symbolic links", lambda: (trial / "symlink").symlink_to("nowhere"))
    attempt("devices, which whiteouts are", lambda: os.mknod(trial / "whiteout", stat.S_IFCHR | 0o600, 0))
    attempt("trusted attributes", lambda: os.setxattr(file, "trusted.modulux", b"y"))
    attempt("attributes of users", lambda: os.setxattr(file, "user.modulux", b"y"))
    # version 2; owner rw-, user 1234 r--, group ---, mask r--, others ---
    acl = bytes.fromhex(
        "02000000 0100 0600 ffffffff 0200 0400 d2040000 0400 0000 ffffffff 1000 0400 ffffffff 2000 0000 ffffffff"
    )
    attempt("ACLs", lambda: os.setxattr(file, "system.posix_acl_access", acl))
    os.utime(file, ns=(1_234_567_891, 1_234_567_891))
    judged.granularity = 1 if file.stat().st_mtime_ns == 1_234_567_891 else 1_000_000_000
    locked = trial / "locked"
    locked.touch()
    try:
        flags.carry(os.fsencode(locked), flags.IMMUTABLE)
        flags.carry(os.fsencode(locked), 0)
    except OSError as error:
        if error.errno not in flags.UNSUPPORTED:
            raise
        judged.notes.append(f"{trial.parent} keeps no chattr flags: files that are immutable or append-only will stop the move")


def _try_overlay(trial: Path) -> list[str]:
    """Stack two folders in a mount namespace of its own, remove a file of the lower one, and look for the whiteout."""
    for name in ("lower", "upper", "work", "merged"):
        (trial / name).mkdir()
    (trial / "lower/gone").touch()
    options = f"lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
    script = 'mount -t overlay -o "$1" none "$2/merged" && rm "$2/merged/gone" && mkdir "$2/merged/made"'
    done = run.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", options, str(trial)])
    whiteout = trial / "upper/gone"
    if not done.ok:
        said = done.stderr.strip().splitlines()
        return [f"overlay cannot stand on {trial.parent}: {said[-1] if said else 'it cannot be mounted'}"]
    if not stat.S_ISCHR(whiteout.lstat().st_mode) or whiteout.lstat().st_rdev != 0:
        return [f"overlay on {trial.parent} leaves no whiteouts"]
    return []


def _rate(trial: Path) -> float:
    """Bytes a second that reach the disk; 0 when there is no room to try."""
    began = time.monotonic()
    try:
        with (trial / "rate").open("wb", buffering=0) as file:
            for _ in range(RATE_BYTES >> 20):
                file.write(os.urandom(1 << 16) * 16)
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return 0.0
        raise
    return RATE_BYTES / (time.monotonic() - began)
