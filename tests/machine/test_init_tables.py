"""The table of partitions while the last one is taken to the end of a larger disk: whole, whenever the power goes.

Each write and each flush is noted as PID 1 makes them. The disk is put together as it may be after any of them: all that was flushed, and some
of the sectors that were not. It is read as Linux reads it, which looks at no copy unless `gpt` stands on its command line.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.pid1 import compile_part

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")

SECTOR = 512
SMALL, LARGE, LARGER = (mib * 2048 for mib in (8, 16, 24))
"""Sectors of a disk before it grew, after it, and after it grew once more."""

FIRST, START, NUMBER = 2048, 6144, 2
CHANCES = 24

Disk = dict[int, bytes]

NOTED = """
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
static FILE *notes;
static ssize_t put_down(int file, const void *bytes, size_t length, off_t at) {
  fprintf(notes, "write %lld %zu\\n", (long long)at, length);
  fwrite(bytes, 1, length, notes);
  return pwrite(file, bytes, length, at);
}
static int flushed(int file) {
  fprintf(notes, "flush 0 0\\n");
  return file < 0;
}
static int told(int file, unsigned long what, void *answer) {
  struct stat facts;
  if (what == BLKSSZGET) *(int *)answer = 512;
  if (what == BLKGETSIZE64 && fstat(file, &facts) == 0) *(uint64_t *)answer = facts.st_size;
  return 0;
}
#define pwrite put_down
#define fsync flushed
#define ioctl told
#define say(...) ((void)(printf(__VA_ARGS__), puts("")))
"""

GROWS = """
int main(int count, char **words) {
  static struct gpt disk;
  if (count < 3 || !(notes = fopen(words[2], "w"))) return 2;
  disk.file = open(words[1], O_RDWR);
  disk.number = 2;
  grow(&disk, "it");
  return fclose(notes);
}
"""


@dataclass(frozen=True)
class Table:
    """What Linux reads: beginnings and ends of partitions, in sectors; where the entries lie."""

    partitions: tuple[tuple[int, int], ...]
    entries_at: int


def sealed(header: bytearray) -> bytes:
    header[16:20] = bytes(4)
    header[16:20] = struct.pack("<I", zlib.crc32(header[:92]))
    return bytes(header).ljust(SECTOR, b"\0")


def small() -> Disk:
    """A disk as an image of ours is: two partitions, the last of which ends a megabyte before the disk does."""
    entries = b"".join(
        (
            b"kind".ljust(16)
            + bytes(range(i, i + 16))
            + struct.pack("<QQQ", begin, end, 0)
            + name.encode("utf-16-le").ljust(72, b"\0")
        )
        for i, (begin, end, name) in enumerate([(FIRST, START - 1, "one"), (START, SMALL - 2049, "modulux-state")], 1)
    ).ljust(32 * SECTOR, b"\0")
    made: Disk = {}
    for own, other, at in ((1, SMALL - 1, 2), (SMALL - 1, 1, SMALL - 33)):
        head = bytearray(
            b"EFI PART"
            + struct.pack(
                "<IIIIQQQQ16sQIII", 0x10000, 92, 0, 0, own, other, FIRST, SMALL - 34, b"disk", at, 128, 128, zlib.crc32(entries)
            )
        )
        made[own] = sealed(head)
        made |= {at + i: entries[i * SECTOR :][:SECTOR] for i in range(32)}
    return made


def read(disk: Mapping[int, bytes], at: int = 1) -> Table | None:
    """The table of which the header lies there, if it is whole."""
    head = disk.get(at, bytes(SECTOR))
    if head[:8] != b"EFI PART" or struct.unpack_from("<Q", head, 24)[0] != at:
        return None
    (entries_at,) = struct.unpack_from("<Q", head, 72)
    entries = b"".join(disk.get(entries_at + i, bytes(SECTOR)) for i in range(32))
    if sealed(bytearray(head)) != head or struct.unpack_from("<I", head, 88)[0] != zlib.crc32(entries):
        return None
    rows = [struct.unpack_from("<QQ", entries, i * 128 + 32) for i in range(128)]
    return Table(tuple(row for row in rows if row[0]), entries_at)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_part(tmp_path_factory.mktemp("grow"), "grow.c", NOTED, GROWS)


def grown(program: Path, folder: Path, disk: Disk, size: int) -> tuple[Disk, list[Disk]]:
    """The disk, which has so many sectors now, after PID 1 has seen it; and what it wrote, by sectors, between one flush and the next."""
    image, notes = folder / "image", folder / "notes"
    with image.open("wb") as file:
        file.truncate(size * SECTOR)
        for at, content in disk.items():
            file.seek(at * SECTOR)
            file.write(content)
    subprocess.run([program, image, notes], check=True)
    written: list[Disk] = [{}]
    with notes.open("rb") as file:
        while line := file.readline().split():
            at, length = int(line[1]) // SECTOR, int(line[2])
            if line[0] == b"flush":
                written.append({})
            written[-1] |= {at + i: file.read(SECTOR) for i in range(length // SECTOR)}
    assert not written.pop(), "all was flushed in the end"
    return disk | {at: content for some in written for at, content in some.items()}, written


def torn(disk: Disk, written: list[Disk]) -> Iterator[Disk]:
    """The disk after a power cut at each moment: its sectors come in any order."""
    chance = random.Random(1)
    for some in written:
        order = sorted(some)
        for count in range(len(order) + 1):
            yield disk | {at: some[at] for at in order[:count]}
            yield disk | {at: some[at] for at in order[count:]}
        for _ in range(CHANCES):
            yield disk | {at: some[at] for at in order if chance.random() < 0.5}
        disk = disk | some


OLD = ((FIRST, START - 1), (START, SMALL - 2049))
NEW = ((FIRST, START - 1), (START, LARGE - 2049))
NEWER = ((FIRST, START - 1), (START, LARGER - 2049))


def is_done(disk: Disk, size: int, partitions: tuple[tuple[int, int], ...]) -> None:
    assert read(disk) == Table(partitions, 2)
    assert read(disk, size - 1) == Table(partitions, size - 33)


def test_the_last_partition_and_both_tables_are_taken_to_the_disks_end(program: Path, tmp_path: Path) -> None:
    assert read(small()) == Table(OLD, 2)
    disk, written = grown(program, tmp_path, small(), LARGE)
    assert written
    is_done(disk, LARGE, NEW)
    assert not grown(program, tmp_path, disk, LARGE)[1], "once is enough"


def test_linux_finds_a_whole_table_whenever_the_power_goes(program: Path, tmp_path: Path) -> None:
    _, written = grown(program, tmp_path, small(), LARGE)
    found = {getattr(read(disk), "partitions", None) for disk in torn(small(), written)}
    assert found == {OLD, NEW}


@pytest.mark.parametrize(("size", "partitions"), [(LARGE, NEW), (LARGER, NEWER)], ids=["the same size", "larger still"])
def test_the_next_start_does_what_is_left(
    program: Path, tmp_path: Path, size: int, partitions: tuple[tuple[int, int], ...]
) -> None:
    _, written = grown(program, tmp_path, small(), LARGE)
    places = set()
    for disk in torn(small(), written):
        table = read(disk)
        assert table
        if (table.partitions, table.entries_at) in places:
            continue  # what differs is written anew, whatever it was
        places.add((table.partitions, table.entries_at))
        again, more = grown(program, tmp_path, disk, size)
        is_done(again, size, partitions)
        assert {getattr(read(cut), "partitions", None) for cut in torn(disk, more)} <= {OLD, NEW, partitions}
    assert len(places) == 3, "as it was; the new one, its entries elsewhere; the new one"


def test_a_table_that_is_none_of_ours_is_left_alone(program: Path, tmp_path: Path) -> None:
    """One without room before its first partition, as other tools make it."""
    disk = small()
    head = bytearray(disk[1])
    head[40:48] = struct.pack("<Q", 34)
    disk[1] = sealed(head)
    assert grown(program, tmp_path, disk, LARGE) == (disk, [])
