"""Two trees held against each other, file by file, by our own eyes and not by those of the copier; and how large a tree is.

Paths are bytes, as names may be any bytes but "/" and zero; so functions of `os` are used and not pathlib's.
"""

# ruff: noqa: PTH115, PTH123, PTH208

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from modulux.storage import flags

NAMESPACES = (b"user.", b"trusted.", b"security.", b"system.posix_acl_")
NOT_COPIED = frozenset({b"security.evm", b"security.ima", b"trusted.SGI_ACL_FILE", b"trusted.SGI_ACL_DEFAULT"})
"""The kernel makes these from the inode itself, or shows ACLs a second time in them (XFS)."""

BLOCK = 1 << 20
SAMPLE = 64
"""Of so many files one is read whole, unless all are to be."""

SAMPLE_BYTES = 1 << 30
"""A sample reads no more than about this."""

SHOWN = 20
"""So many differences are kept; one is enough to fail."""


@dataclass
class Size:
    """What a tree takes: allocated bytes, bytes of data to read, and inodes. Hard links count once."""

    allocated: int = 0
    data: int = 0
    inodes: int = 0
    files: int = 0
    largest: int = 0

    def add(self, found: os.stat_result) -> None:
        self.allocated += found.st_blocks * 512
        self.inodes += 1
        if stat.S_ISREG(found.st_mode):
            self.files += 1
            size = min(found.st_size, found.st_blocks * 512)
            self.data += size
            self.largest = max(self.largest, size)


@dataclass
class Verified:
    """What was looked at, and what differs. `same` when nothing does."""

    entries: int = 0
    files: int = 0
    size: int = 0
    read_files: int = 0
    read_bytes: int = 0
    hard_links: int = 0
    xattrs: int = 0
    whiteouts: int = 0
    devices: int = 0
    sparse: int = 0
    flagged: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not self.differences

    def differs(self, path: bytes, what: str) -> None:
        if len(self.differences) < SHOWN:
            self.differences.append(f"{shown(path)}: {what}")


def shown(path: bytes) -> str:
    """A path as a person can read it, whatever bytes it is of."""
    text = os.fsdecode(path)
    return text if text.isprintable() else repr(text)


def measure(root: bytes, gone: Callable[[], None] = lambda: None) -> Size:
    """How large the tree is now; what vanishes meanwhile does not count, and what is mounted in it is not entered.

    Args:
        gone: called now and then, for progress.
    """
    size, seen = Size(), set[tuple[int, int]]()
    top = os.lstat(root)
    size.add(top)
    pending = [root]
    while pending:
        gone()
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    _count(entry, top.st_dev, size, seen, pending)
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            continue
    return size


def _count(entry: os.DirEntry[bytes], device: int, size: Size, seen: set[tuple[int, int]], pending: list[bytes]) -> None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    if found.st_dev != device:
        return
    if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
        key = (found.st_dev, found.st_ino)
        if key in seen:
            return
        seen.add(key)
    size.add(found)
    if stat.S_ISDIR(found.st_mode):
        pending.append(entry.path)


class Comparison:
    """Holds `target` against `source`; flags that no copier carries are set on the way.

    Args:
        every: read all files byte by byte, not a sample.
        granularity: nanoseconds that the target's file system tells apart.
        holes: whether the copy must have the source's; one that is linked to an older copy need not.
        since: what has changed after this moment (seconds since 1970) is read in any case.
        progress: told of each folder's number of entries.
    """

    def __init__(
        self,
        source: bytes,
        target: bytes,
        *,
        every: bool,
        granularity: int = 1,
        since: float = float("inf"),
        holes: bool = True,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.source, self.target = source, target
        self.every, self.granularity = every, granularity
        self.since, self.holes = since, holes
        self.progress = progress or (lambda _: None)
        self.found = Verified()
        self.links: dict[tuple[int, int], tuple[int, int]] = {}
        self.linked_back: dict[tuple[int, int], tuple[int, int]] = {}

    def run(self) -> Verified:
        """Look at everything. Differences end up in the result and are no error here.

        Raises:
            OSError: one of the trees cannot be read.
        """
        top = os.lstat(self.source)
        self.device = top.st_dev
        self._entry(b".", self.source, self.target, top, os.lstat(self.target))
        for relative in self._folders(b""):
            self.progress(self.found.entries)
            if len(self.found.differences) >= SHOWN:
                break
            self._folder(relative)
        return self.found

    def _folders(self, top: bytes) -> Iterator[bytes]:
        self.pending = [top]
        while self.pending:
            yield self.pending.pop()

    def _folder(self, relative: bytes) -> None:
        inside = relative and relative + b"/"
        here, there = self.source + b"/" + inside, self.target + b"/" + inside
        names, others = set(os.listdir(here)), set(os.listdir(there))
        for name in sorted(names ^ others):
            self.found.differs(inside + name, "not copied" if name in names else "only in the copy")
        for name in sorted(names & others):
            path, one, other = inside + name, here + name, there + name
            found = os.lstat(one)
            if found.st_dev != self.device:
                self.found.differs(path, "another file system is mounted here")
                continue
            self._entry(path, one, other, found, os.lstat(other))
            if stat.S_ISDIR(found.st_mode):
                self.pending.append(path)

    def _entry(self, relative: bytes, one: bytes, other: bytes, a: os.stat_result, b: os.stat_result) -> None:
        self.found.entries += 1
        if a.st_mode != b.st_mode:
            self.found.differs(relative, f"mode {a.st_mode:o}, copied {b.st_mode:o}")
            return
        if a.st_uid != b.st_uid or a.st_gid != b.st_gid:
            self.found.differs(relative, f"owner {a.st_uid}:{a.st_gid}, copied {b.st_uid}:{b.st_gid}")
        if a.st_mtime_ns != b.st_mtime_ns and a.st_mtime_ns // self.granularity != b.st_mtime_ns // self.granularity:
            self.found.differs(relative, f"time {a.st_mtime_ns}, copied {b.st_mtime_ns}")
        if (left := self._xattrs(one)) != (right := self._xattrs(other)):
            names = sorted(n for n in left | right if left.get(n) != right.get(n))
            self.found.differs(relative, f"extended attributes {', '.join(map(os.fsdecode, names))}")
        kind = stat.S_IFMT(a.st_mode)
        if kind != stat.S_IFDIR:
            self._link(relative, a, b)
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            self._device(relative, a, b)
        elif kind == stat.S_IFLNK and os.readlink(one) != os.readlink(other):
            self.found.differs(relative, "leads elsewhere")
        elif kind == stat.S_IFREG:
            self._file(relative, one, other, a, b)
        if kind in (stat.S_IFREG, stat.S_IFDIR):
            self._flags(relative, one, other)

    def _device(self, relative: bytes, a: os.stat_result, b: os.stat_result) -> None:
        self.found.devices += 1
        self.found.whiteouts += stat.S_ISCHR(a.st_mode) and a.st_rdev == 0
        if a.st_rdev != b.st_rdev:
            self.found.differs(relative, f"device {a.st_rdev:x}, copied {b.st_rdev:x}")

    def _xattrs(self, path: bytes) -> dict[bytes, bytes]:
        names = os.listxattr(path, follow_symlinks=False)
        if not names:
            return {}
        kept = [os.fsencode(name) for name in names]
        found = {
            n: os.getxattr(path, n, follow_symlinks=False) for n in kept if n.startswith(NAMESPACES) and n not in NOT_COPIED
        }
        self.found.xattrs += len(found)
        return found

    def _link(self, relative: bytes, a: os.stat_result, b: os.stat_result) -> None:
        """Names of one file stay names of one file, and of no other."""
        if a.st_nlink == 1 and b.st_nlink == 1:
            return
        here, there = (a.st_dev, a.st_ino), (b.st_dev, b.st_ino)
        self.found.hard_links += 1
        if self.links.setdefault(here, there) != there or self.linked_back.setdefault(there, here) != here:
            self.found.differs(relative, "hard links differ")

    def _file(self, relative: bytes, one: bytes, other: bytes, a: os.stat_result, b: os.stat_result) -> None:
        self.found.files += 1
        self.found.size += a.st_size
        if a.st_size != b.st_size:
            self.found.differs(relative, f"{a.st_size} bytes, copied {b.st_size}")
            return
        hole = a.st_size - a.st_blocks * 512
        if hole > BLOCK:
            self.found.sparse += 1
            if self.holes and b.st_blocks * 512 > a.st_blocks * 512 + hole // 2:
                self.found.differs(relative, "its holes were filled")
        if self.every or a.st_mtime >= self.since or self._sampled(relative, min(a.st_size, a.st_blocks * 512)):
            self.found.read_files += 1
            read = same_bytes(one, other, a.st_size)
            self.found.read_bytes += abs(read)
            if read < 0:
                self.found.differs(relative, "other bytes")

    def _sampled(self, relative: bytes, size: int) -> bool:
        return zlib.crc32(relative) % SAMPLE == 0 and self.found.read_bytes + size <= SAMPLE_BYTES

    def _flags(self, relative: bytes, one: bytes, other: bytes) -> None:
        wanted = flags.get(one) & flags.KEPT
        if not wanted:  # nor has the copy any: they are taken away before each pass
            return
        self.found.flagged += 1
        try:
            flags.carry(other, wanted)
        except OSError as error:
            self.found.differs(relative, f"its chattr flags cannot be kept: {error.strerror}")


def same_bytes(one: bytes, other: bytes, size: int) -> int:
    """How many bytes were read and are the same, negative when some are not. The copy is read from the disk."""
    read = 0
    with open(one, "rb", buffering=0) as a, open(other, "rb", buffering=0) as b:
        os.posix_fadvise(b.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # what is still in memory proves nothing about the disk
        for begin, end in _data(a.fileno(), b.fileno(), size):
            for at in range(begin, end, BLOCK):
                length = min(BLOCK, end - at)
                left, right = os.pread(a.fileno(), length, at), os.pread(b.fileno(), length, at)
                read += len(left)
                if left != right or len(left) != length:
                    return -read or -1
    return read


def _data(one: int, other: int, size: int) -> list[tuple[int, int]]:
    """The stretches in which at least one of two open files has data, in order and apart from each other."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted([*_stretches(one, size), *_stretches(other, size)]):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _stretches(fd: int, size: int) -> list[tuple[int, int]]:
    found, at = list[tuple[int, int]](), 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:  # no data any more
            break
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        found.append((begin, at))
    return found
