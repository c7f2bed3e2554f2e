"""Whether a file that is to be written is somebody's disk right now: a virtual machine's, or a loop device's.

QEMU locks the images that it has open (OFD locks on single bytes, `block/file-posix.c`), which tells a disk in use from a file
that is only looked at. The same locks keep QEMU away while we write.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path

from modulux.errors import HostError, StorageError
from modulux.machine.places import running_names
from modulux.machine.running import find

LOCKS, COUNT = 100, 200
"""The bytes on which QEMU's locks lie: from 100 what it does with an image, from 200 what others must not."""

FLOCK = "hhqqi"
"""struct flock of 64-bit Linux: kind, whence, start, length, process."""

HINT = "stop it first, or another file"


def refuse_used(path: Path) -> None:
    """Refuse a file that is somebody's disk; one that is not there is nobody's.

    Raises:
        StorageError: it is; who that is stands in the message.
        HostError: it cannot be read.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would keep us
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}") from None
    try:
        _refuse(path, file)
    finally:
        os.close(file)


def hold(path: Path, file: int) -> None:
    """Refuse a file as above, and keep QEMU from taking it until the descriptor `file`, open for writing, is closed.

    Raises:
        StorageError: it is in use.
    """
    _refuse(path, file)
    with contextlib.suppress(OSError):  # a file system without locks: QEMU goes without them too
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock())


def _refuse(path: Path, file: int) -> None:
    if loop := _loop_device(path):
        raise StorageError(f"{path} is in use: it is the disk {loop}", hint=f"losetup --detach {loop}, or another file")
    if _locked(file):
        raise StorageError(f"{path} is in use by {_user(path)}", hint=HINT)


def _lock() -> bytes:
    return struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, LOCKS, COUNT, 0)


def _locked(file: int) -> bool:
    try:
        kind: int = struct.unpack_from(FLOCK, fcntl.fcntl(file, fcntl.F_OFD_GETLK, _lock()))[0]
    except OSError:
        return False
    return kind != fcntl.F_UNLCK


def _loop_device(path: Path) -> str | None:
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if path.samefile(backing.read_text().rstrip("\n")):
                return f"/dev/{backing.parts[3]}"
    return None


def _user(path: Path) -> str:
    """Who has it open, as far as this user may know: a machine by its name, else a process."""
    pid = next((pid for pid in _processes() if _has_open(pid, path)), None)
    if pid is None:
        return "another process"
    for name in running_names():
        if (found := find(name)) and found.pid == pid:
            return f"the machine `{name}`, which runs"
    with contextlib.suppress(OSError):
        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (process {pid})"
    return f"process {pid}"


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()]


def _has_open(pid: int, path: Path) -> bool:
    wanted = path.stat()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found = link.stat()
                if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
    return False
