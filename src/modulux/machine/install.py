"""A disk image → a disk: what is on it now, whether it may be erased, and the writing, held against the image afterwards."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux import run
from modulux.errors import DamagedError, FileError, HostError, StorageError
from modulux.machine.in_use import hold, refuse_used

MIB = 1024**2
SECTOR, ENTRY, ENTRIES = 512, 128, 128
REREAD = 0x125F
"""BLKRRPART: the kernel looks at the table of partitions again."""

LSBLK = ("lsblk", "--json", "--bytes", "--output", "PATH,SIZE,TYPE,MODEL,FSTYPE,LABEL,MOUNTPOINTS,RO")


@dataclass(frozen=True)
class Target:
    """Where a machine is to be installed: a disk with what is on it (rows of `lsblk`, itself the first), or a file."""

    path: Path
    size: int
    rows: tuple[dict[str, Any], ...] = ()


def look_at(path: Path) -> Target:
    """What is there, unless nothing may be written to it.

    Raises:
        HostError: it is not there, or may not be read.
        StorageError: it is no whole disk, cannot be written, or somebody uses it.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", hint="lsblk lists the disks") from None
    if stat.S_ISREG(facts.st_mode):
        refuse_used(path)
        return Target(path, facts.st_size)
    if not stat.S_ISBLK(facts.st_mode):
        raise StorageError(f"{path} is neither a disk nor a file", hint="lsblk lists the disks")
    rows = tuple(flat(json.loads(run.run([*LSBLK, str(path)]).stdout)["blockdevices"]))
    refuse(rows)
    with _opened(path, os.O_RDONLY) as disk:
        return Target(path, os.lseek(disk, 0, os.SEEK_END), rows)


def flat(devices: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A tree as `lsblk` gives it, as rows, each before what lies on it."""
    for device in devices:
        yield {key: value for key, value in device.items() if key != "children"}
        yield from flat(device.get("children", []))


def refuse(rows: tuple[dict[str, Any], ...]) -> None:
    """Refuse a disk that is not whole, cannot be written, or is in use.

    Raises:
        StorageError: it is one of these.
    """
    disk = rows[0]
    if disk["type"] not in ("disk", "loop"):
        raise StorageError(f"{disk['path']} is no whole disk ({disk['type']})", hint="lsblk lists the disks")
    if disk["ro"] in (True, 1, "1"):
        raise StorageError(f"{disk['path']} is read-only")
    for row in rows:
        if places := [place for place in row.get("mountpoints") or [] if place]:
            raise StorageError(f"{row['path']} is in use: {', '.join(places)}", hint="another disk, or unmount it first")
        if row["type"] not in ("disk", "loop", "part"):
            raise StorageError(f"{row['path']} ({row['type']}) lies on {disk['path']} and is in use", hint="stop it first")


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """The disk, which nobody else may use meanwhile: the kernel refuses it while it is mounted or part of something.

    It lets many have a file; of these, virtual machines are asked, and kept away while it is written.
    """
    block = stat.S_ISBLK(path.stat().st_mode)
    exclusive = os.O_EXCL if block else 0
    try:
        file = os.open(path, flags | exclusive | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise StorageError(f"{path} is in use", hint="another disk, or unmount it first") from None
        raise HostError(f"{path}: {error.strerror}", hint="as root: sudo modulux machine install …") from None
    try:
        if not block:
            hold(path, file)
        yield file
    finally:
        os.close(file)


def check_size(image: Path, target: Target) -> None:
    """Whether the image fits.

    Raises:
        StorageError: it does not.
    """
    needed = image.stat().st_size
    if target.size < needed:
        raise StorageError(
            f"{target.path} has {target.size / 1e9:.1f} GB, and {needed / 1e9:.1f} GB are needed",
            hint="a larger disk, or a smaller `state:` in the machine file (it grows to the disk's end by itself)",
        )


def starts(image: Path) -> list[int]:
    """Where the partitions of an image begin, in bytes.

    Raises:
        FileError: it is no disk image.
    """
    with image.open("rb") as file:
        file.seek(SECTOR)
        if file.read(8) != b"EFI PART":
            raise FileError("this is no disk image", file=str(image), hint="modulux machine build FILE --disk IMAGE")
        file.seek(2 * SECTOR)
        entries = [file.read(ENTRY) for _ in range(ENTRIES)]
    return [int.from_bytes(e[32:40], "little") * SECTOR for e in entries if any(e[:16])]


def extents(image: Path) -> list[tuple[int, int]]:
    """What must be written, as beginnings and ends: each partition to the end of what it holds, and at least a little of it.

    What an earlier owner left at the beginning of an empty one would be taken for a file system.
    """
    size = image.stat().st_size
    begins = [0, *sorted(starts(image)), size - MIB]
    ends = dict.fromkeys(begins, 0)
    with image.open("rb") as file:
        at = 0
        while at < size:
            try:
                data = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), data, os.SEEK_HOLE)
            for begin, limit in zip(begins, [*begins[1:], size], strict=True):
                if data < limit and at > begin:
                    ends[begin] = min(at, limit)
    return [(begin, max(begin + MIB, ends[begin])) for begin in begins]


def write(image: Path, target: Target) -> int:
    """Put the image on the target; how many bytes were written. The table comes last: until then there is nothing to boot.

    Raises:
        DamagedError: what lies there afterwards is not what was written.
    """
    parts = extents(image)
    total = 0
    with image.open("rb") as source, _opened(target.path, os.O_RDWR) as disk:
        os.pwrite(disk, bytes(MIB), 0)
        if target.size > image.stat().st_size:
            os.pwrite(disk, bytes(MIB), target.size - MIB)  # the copy of an older table
        for begin, end in [*parts[1:], parts[0]]:
            for at in range(begin, end, MIB):
                piece = os.pread(source.fileno(), min(MIB, end - at), at)
                os.pwrite(disk, piece, at)
                total += len(piece)
            os.fsync(disk)
        os.posix_fadvise(disk, 0, 0, os.POSIX_FADV_DONTNEED)
        for begin, end in parts:
            for at in range(begin, end, MIB):
                length = min(MIB, end - at)
                if os.pread(disk, length, at) != os.pread(source.fileno(), length, at):
                    raise DamagedError(f"{target.path} does not hold what was written to it", hint="the disk may be failing")
        renumber(disk)
        with contextlib.suppress(OSError):  # a file has no partitions
            fcntl.ioctl(disk, REREAD)
    return total


def renumber(disk: int) -> None:
    """Give a disk and its partitions numbers that no other has, in its table (GPT, as UEFI specifies it) and in the copy.

    Partitions have the same names on each disk with a machine, which knows its own by the number of that partition
    from which the firmware has started it.

    Args:
        disk: a file descriptor.
    """
    header = bytearray(os.pread(disk, SECTOR, SECTOR))
    copy_at, entries_at = _number(header, 32), _number(header, 72)
    copy = bytearray(os.pread(disk, SECTOR, copy_at * SECTOR))
    entries = bytearray(os.pread(disk, ENTRY * ENTRIES, entries_at * SECTOR))
    for at in range(0, len(entries), ENTRY):
        if any(entries[at : at + 16]):
            entries[at + 16 : at + 32] = uuid.uuid4().bytes_le
    own = uuid.uuid4().bytes_le
    for at, head in ((copy_at, copy), (1, header)):
        head[56:72] = own
        head[88:92] = zlib.crc32(entries).to_bytes(4, "little")
        head[16:20] = bytes(4)
        head[16:20] = zlib.crc32(head[:92]).to_bytes(4, "little")
        os.pwrite(disk, entries, _number(head, 72) * SECTOR)
        os.pwrite(disk, head, at * SECTOR)
        os.fsync(disk)


def _number(header: bytearray, at: int) -> int:
    return int.from_bytes(header[at : at + 8], "little")
