"""The flags that `chattr` sets, which no copier carries: immutable, append-only, no dump, no access times."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

IMMUTABLE, APPEND, NO_DUMP, NO_ATIME = 0x10, 0x20, 0x40, 0x80
KEPT = IMMUTABLE | APPEND | NO_DUMP | NO_ATIME
LOCKING = IMMUTABLE | APPEND
"""Those that stop even root from changing or removing a file."""

_LONG = struct.calcsize("l")
GET = 2 << 30 | _LONG << 16 | ord("f") << 8 | 1
SET = 1 << 30 | _LONG << 16 | ord("f") << 8 | 2

UNSUPPORTED = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})

_NUMBER, _ZERO = struct.Struct("I"), bytes(4)

OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def get(path: bytes) -> int:
    """The flags of a file or folder; 0 where its file system has none."""
    fd = os.open(path, OPEN)
    try:
        return _get(fd)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return 0
        raise
    finally:
        os.close(fd)


def _get(fd: int) -> int:
    return _NUMBER.unpack(fcntl.ioctl(fd, GET, _ZERO))[0]  # type: ignore[no-any-return]


def carry(path: bytes, wanted: int) -> None:
    """Give a file or folder those of the kept flags that are in `wanted`, and no other of them; the rest of its flags stays.

    Raises:
        OSError: its file system does not have them.
    """
    fd = os.open(path, OPEN)
    try:
        now = _get(fd)
        new = now & ~KEPT | wanted & KEPT
        if new != now:
            fcntl.ioctl(fd, SET, _NUMBER.pack(new))
    except OSError as error:
        if error.errno not in UNSUPPORTED or wanted & KEPT:
            raise
    finally:
        os.close(fd)


def unlock(path: bytes) -> None:
    """Take away what stops root from changing or removing it."""
    flags = get(path)
    if flags & LOCKING:
        carry(path, flags & KEPT & ~LOCKING)


def unlock_tree(root: bytes) -> None:
    """`unlock` for `root` and every file and folder below it, on its own file system."""
    device = os.lstat(root).st_dev
    pending = [root]
    while pending:
        folder = pending.pop()
        unlock(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.stat(follow_symlinks=False).st_dev == device:
                        pending.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    unlock(entry.path)
