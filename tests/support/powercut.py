"""Cutting the power of a virtual machine with what its disk had in its cache: QEMU notes each write and each flush, and any moment can be had again.

The log is that of QEMU's `blklogwrites`, whose format is the kernel's (Documentation/admin-guide/device-mapper/log-writes.rst).
"""

from __future__ import annotations

import os
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modulux.machine.emulator import Machine

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4


@dataclass(frozen=True)
class Logged(Machine):
    """A virtual machine whose disk's writes are noted in a file beside the disk."""

    def written(self, disk: Path) -> str:
        log = log_of(disk)
        log.touch()
        os.truncate(log, 6 * 1024**3)  # a hole
        files = f"file.driver=raw,file.file.filename={disk},log.driver=raw,log.file.filename={log}"
        return f"driver=blklogwrites,{files},log-super-update-interval=1"


@dataclass(frozen=True)
class Entry:
    """Bytes written at `start`, or let go of; a flush has none. `at`: where in the log the data lies."""

    start: int
    size: int
    flags: int
    at: int


def log_of(disk: Path) -> Path:
    return disk.with_suffix(".log")


def entries(log: Path) -> list[Entry]:
    """What was done to the disk, in order."""
    return list(_entries(log))


def count(log: Path) -> int:
    """How much has been done so far."""
    with log.open("rb") as file:
        magic, _version, number, sector = struct.unpack("<QQQI", file.read(28))
    assert magic == 0x6A736677736872, f"{log} is no log of writes"
    assert sector == SECTOR
    return int(number)


def _entries(log: Path) -> Iterator[Entry]:
    at = SECTOR
    with log.open("rb") as file:
        for _ in range(count(log)):
            file.seek(at)
            start, sectors, flags, _length = struct.unpack("<QQQQ", file.read(32))
            yield Entry(start * SECTOR, sectors * SECTOR, flags, at + SECTOR)
            at += SECTOR + (0 if flags & DISCARD else sectors * SECTOR)


def cut(before: Path, log: Path, done: list[Entry], moment: int, target: Path) -> int:
    """The disk as it is after a power cut: all that was flushed by then, and of what came after it what luck had written.

    Args:
        before: the disk as it was when the log began.
        moment: how many of the entries had been made.

    Returns:
        how many entries are there for certain.
    """
    chance = random.Random(moment)
    flushed = max([0, *(number + 1 for number, entry in enumerate(done[:moment]) if entry.flags & FLUSH)])
    lucky = [entry for entry in done[flushed:moment] if entry.flags & FUA or chance.random() < 0.5]
    shutil.copyfile(before, target)
    with log.open("rb") as source, target.open("r+b") as disk:
        for entry in [*done[:flushed], *lucky]:
            disk.seek(entry.start)
            if entry.flags & DISCARD:
                continue  # what was let go of may still be there
            source.seek(entry.at)
            disk.write(source.read(entry.size))
    return flushed
