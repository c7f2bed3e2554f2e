"""Work on the files of volumes, where they can be reached: a script of its own, since without root that is in `podman unshare`.

Standard library only. Each command is a function; what it prints is one JSON value.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

AT_FDCWD = -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
KEEP_SIZE = 1
PUNCH_HOLE = 2

BLOCK = 1 << 16
"""Bytes that are all zero, or are left as they are."""

ZEROS = bytes(BLOCK)


def rename(source: bytes, target: bytes, flags: int) -> None:
    """renameat2(2).

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, source, AT_FDCWD, target, flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(target))


def exchange(one: Path, other: Path) -> None:
    """Let two folders of one file system change places, at once.

    Raises:
        OSError: the file system cannot.
    """
    rename(os.fsencode(one), os.fsencode(other), RENAME_EXCHANGE)


def inodes(paths: Iterable[str]) -> dict[str, int]:
    """The inode number of each path that is there."""
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found[path] = Path(path).lstat().st_ino
    return found


def owners(paths: Iterable[str]) -> dict[str, int]:
    """Who owns each of the paths."""
    return {path: Path(path).lstat().st_uid for path in paths}


def files(root: bytes) -> Iterator[os.DirEntry[bytes]]:
    """Everything below `root`; folders that go meanwhile are passed over. Links are not followed."""
    waiting = [root]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue


def changed(roots: Iterable[str], since: float) -> dict[str, int]:
    """Bytes and number of files that were changed at `since` (seconds since 1970) or later, and the number of all."""
    amount = count = total = 0
    for root in roots:
        for entry in files(os.fsencode(root)):
            total += 1
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if found.st_ctime >= since and stat.S_ISREG(found.st_mode):
                    amount += found.st_size
                    count += 1
    return {"bytes": amount, "files": count, "all": total}


def own(roots: Iterable[str], owner: int) -> int:
    """Give everything that is root's below `roots`, and the folders themselves, to `owner`; how much that was."""
    count = 0
    for root in roots:
        entries: list[bytes] = [os.fsencode(root), *(entry.path for entry in files(os.fsencode(root)))]
        for path in entries:
            if os.lstat(path).st_uid == 0:
                os.chown(path, owner, owner, follow_symlinks=False)
                count += 1
    return count


def dig(roots: Iterable[str]) -> int:
    """Make holes of the zeros in large files below `roots`; the bytes that this frees. Times stay as they are."""
    freed = 0
    for root in roots:
        for entry in files(os.fsencode(root)):
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and found.st_size >= 2 * BLOCK:
                freed += _dig(entry.path, found)
    return freed


def _dig(path: bytes, found: os.stat_result) -> int:
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        freed = 0
        for offset in range(0, found.st_size, BLOCK):
            data = os.pread(fd, BLOCK, offset)
            if data == ZEROS[: len(data)] and _punched(fd, offset, len(data)):
                freed += len(data)
        if freed:
            os.utime(fd, ns=(found.st_atime_ns, found.st_mtime_ns))
    finally:
        os.close(fd)
    return freed


def _punched(fd: int, offset: int, length: int) -> bool:
    """fallocate(2) with FALLOC_FL_PUNCH_HOLE; False where the file system has no holes."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return bool(libc.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, offset, length) == 0)


def place(source: str, target: str) -> bool:
    """Put `source`, a file or folder, at `target` in one step; True if something lay there, which is at `source` now.

    Folders above it are made as they are above `source`, as far as the two paths agree from the end.
    """
    one, other = Path(source), Path(target)
    missing = [folder for folder in other.parents if not folder.exists()]
    for folder in reversed(missing):
        pattern = one.parents[other.parents.index(folder)] if other.parents.index(folder) < len(one.parents) else one.parent
        folder.mkdir()
        found = pattern.stat()
        os.chown(folder, found.st_uid, found.st_gid)
        shutil.copystat(pattern, folder)
    try:
        rename(os.fsencode(one), os.fsencode(other), RENAME_NOREPLACE)
    except FileExistsError:
        exchange(one, other)
        return True
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        one.rename(other)
    return False


def there(paths: Iterable[str]) -> list[str]:
    """Those of the paths at which something lies."""
    return [path for path in paths if os.path.lexists(path)]


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The words two by two."""
    return zip(words[::2], words[1::2], strict=True)


def exchange_all(words: Sequence[str]) -> None:
    """Exchange each pair of folders."""
    for one, other in pairs(words):
        exchange(Path(one), Path(other))


COMMANDS: dict[str, Callable[[Sequence[str]], object]] = {
    "exchange": exchange_all,
    "inodes": inodes,
    "owners": owners,
    "changed": lambda words: changed(words[1:], float(words[0])),
    "own": lambda words: own(words[1:], int(words[0])),
    "dig": dig,
    "place": lambda words: [place(source, target) for source, target in pairs(words)],
    "there": there,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(COMMANDS[sys.argv[1]](sys.argv[2:])) + "\n")
