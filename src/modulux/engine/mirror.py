"""Make one folder the exact copy of another, by copying what differs: a script of its own, as near.py is.

    mirror.py SINCE SOURCE TARGET [SOURCE TARGET]…

What was changed at SINCE (seconds since 1970) or later is copied whatever it looks like; of the rest what differs in kind, size
or time. Owners, modes, times, extended attributes and hard links are kept; file systems that can share blocks do.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import sys
from collections.abc import Sequence

FICLONE = 0x40049409
CHUNK = 16 * 1024**2


class Mirror:
    """One copy; `links` are files with several names, by their number: the name that they have in the copy already."""

    def __init__(self, since: float) -> None:
        self.since = since
        # while everything is copied for the first time, files come and go
        self.passing = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError) if since == 0 else ()
        self.links: dict[tuple[int, int], bytes] = {}
        self.copied = 0
        self.bytes = 0

    def folder(self, source: bytes, target: bytes) -> None:
        """Make `target`, which is there, hold what `source` holds."""
        with os.scandir(source) as entries:
            ours = {entry.name: entry for entry in entries}
        with os.scandir(target) as entries:
            theirs = {entry.name: entry for entry in entries}
        for name in theirs.keys() - ours.keys():
            remove(os.path.join(target, name))  # noqa: PTH118  bytes
        for name, entry in ours.items():
            with contextlib.suppress(*self.passing):
                self.one(entry, theirs.get(name), os.path.join(target, name))  # noqa: PTH118
        dress(source, target)

    def one(self, entry: os.DirEntry[bytes], there: os.DirEntry[bytes] | None, target: bytes) -> None:
        found = entry.stat(follow_symlinks=False)
        old = there.stat(follow_symlinks=False) if there else None
        if old and stat.S_IFMT(old.st_mode) != stat.S_IFMT(found.st_mode):
            remove(target)
            old = None
        if stat.S_ISDIR(found.st_mode):
            if old is None:
                os.mkdir(target)  # noqa: PTH102
            self.folder(entry.path, target)
            return
        if stat.S_ISSOCK(found.st_mode):  # of no use without who listens, and restic leaves them out as well
            if old is not None:
                remove(target)
            return
        self.leaf(entry.path, target, found, old)

    def leaf(self, source: bytes, target: bytes, found: os.stat_result, old: os.stat_result | None) -> None:
        key = (found.st_dev, found.st_ino)
        first = self.links.get(key)
        if first is not None:
            if old is None or os.lstat(first).st_ino != old.st_ino:
                if old is not None:
                    remove(target)
                os.link(first, target, follow_symlinks=False)
            return
        if found.st_nlink > 1:
            self.links[key] = target
        if old is not None and not self.differs(found, old):
            return
        if old is not None:
            remove(target)
        self.copied += 1
        if stat.S_ISREG(found.st_mode):
            self.bytes += content(source, target)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(source), target)  # noqa: PTH115, PTH211
        else:
            os.mknod(target, found.st_mode, found.st_rdev)
        dress(source, target)

    def differs(self, found: os.stat_result, old: os.stat_result) -> bool:
        same = (found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid, found.st_gid)
        linked = found.st_nlink > 1 or old.st_nlink > 1  # who is linked with whom is made anew
        return (
            found.st_ctime >= self.since
            or linked
            or same
            != (
                old.st_size,
                old.st_mtime_ns,
                old.st_mode,
                old.st_uid,
                old.st_gid,
            )
        )


def content(source: bytes, target: bytes) -> int:
    """Copy a file's bytes, holes as holes; how many bytes it has."""
    with open(source, "rb", buffering=0) as one, open(target, "xb", buffering=0) as other:  # noqa: PTH123
        size = os.fstat(one.fileno()).st_size
        with contextlib.suppress(OSError):
            fcntl.ioctl(other.fileno(), FICLONE, one.fileno())
            return size
        os.truncate(other.fileno(), size)
        position = 0
        while position < size:
            try:
                position = os.lseek(one.fileno(), position, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            end = os.lseek(one.fileno(), position, os.SEEK_HOLE)
            while position < end:
                done = os.copy_file_range(one.fileno(), other.fileno(), min(CHUNK, end - position), position, position)
                if not done:  # it has become shorter
                    return size
                position += done
        return size


def dress(source: bytes, target: bytes) -> None:
    """Owner, then mode, times and extended attributes, which a change of owner would take away."""
    found = os.lstat(source)
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
    for name in set(os.listxattr(target, follow_symlinks=False)) - set(os.listxattr(source, follow_symlinks=False)):
        os.removexattr(target, name, follow_symlinks=False)
    shutil.copystat(source, target, follow_symlinks=False)


def remove(path: bytes) -> None:
    """Remove whatever lies there."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)  # noqa: PTH108


def main(argv: Sequence[str]) -> dict[str, int]:
    """Mirror each pair; how much was copied."""
    mirror = Mirror(float(argv[0]))
    for source, target in zip(argv[1::2], argv[2::2], strict=True):
        mirror.folder(os.fsencode(source), os.fsencode(target))
    return {"copied": mirror.copied, "bytes": mirror.bytes}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:])) + "\n")
