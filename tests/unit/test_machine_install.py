"""Which disk a machine may be installed on, and what is written to it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from modulux.errors import FileError, HostError, StorageError
from modulux.machine.install import MIB, check_size, extents, flat, look_at, refuse, starts, write

DISK: dict[str, Any] = {"path": "/dev/sdx", "size": 64 * MIB, "type": "disk", "ro": False, "mountpoints": [None]}
PART: dict[str, Any] = {**DISK, "path": "/dev/sdx1", "type": "part"}


def image(path: Path, size: int, partitions: dict[int, bytes]) -> Path:
    """A disk image that is one as far as an installation looks: a table and its copy, and what each partition begins with."""
    entries = b"".join(b"\1" * 16 + b"\2" * 16 + (at // 512).to_bytes(8, "little") + bytes(88) for at in partitions)
    last = size // 512 - 1
    with path.open("wb") as file:
        file.truncate(size)
        for own, other, entries_at in ((1, last, 2), (last, 1, last - 32)):
            file.seek(own * 512)
            file.write(struct.pack("<8s4xI8xQQ16x16sQ", b"EFI PART", 92, own, other, b"\3" * 16, entries_at))
            file.seek(entries_at * 512)
            file.write(entries)
        for at, content in partitions.items():
            file.seek(at)
            file.write(content)
    return path


def numbers(disk: bytes, at: int) -> tuple[bytes, ...]:
    """The disk's and its partitions' own, by the table whose header lies in that sector, which is whole."""
    header = bytearray(disk[at * 512 :][:92])
    (told,) = struct.unpack_from("<I", header, 16)
    header[16:20] = bytes(4)
    assert zlib.crc32(header) == told
    (entries_at,) = struct.unpack_from("<Q", header, 72)
    entries = disk[entries_at * 512 :][: 128 * 128]
    assert struct.unpack_from("<I", header, 88) == (zlib.crc32(entries),)
    return bytes(header[56:72]), *(entries[i + 16 : i + 32] for i in range(0, len(entries), 128) if any(entries[i : i + 16]))


def test_rows_follow_the_disk_that_they_lie_on() -> None:
    tree = [{**DISK, "children": [PART, {**PART, "path": "/dev/sdx2"}]}]
    assert [row["path"] for row in flat(tree)] == ["/dev/sdx", "/dev/sdx1", "/dev/sdx2"]


def test_a_disk_that_nobody_uses_is_taken() -> None:
    refuse((DISK, PART))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ((PART,), "no whole disk"),
        (({**DISK, "ro": True},), "read-only"),
        ((DISK, {**PART, "mountpoints": ["/home"]}), "/home"),
        ((DISK, {**PART, "mountpoints": ["[SWAP]"]}), "SWAP"),
        ((DISK, PART, {**PART, "path": "/dev/mapper/vg-root", "type": "lvm"}), "lvm"),
        ((DISK, PART, {**PART, "path": "/dev/md0", "type": "raid1"}), "raid1"),
    ],
)
def test_a_disk_in_use_is_refused(rows: tuple[dict[str, Any], ...], why: str) -> None:
    with pytest.raises(StorageError, match=why):
        refuse(rows)


def test_what_is_no_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        look_at(tmp_path)
    with pytest.raises(HostError):
        look_at(tmp_path / "none")


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(MIB))
    made = image(tmp_path / "image", 2 * MIB, {MIB: b"system"})
    with pytest.raises(StorageError, match="needed"):
        check_size(made, look_at(tmp_path / "disk"))


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bytes(MIB))
    with pytest.raises(FileError):
        starts(tmp_path / "image")


def test_what_an_earlier_owner_left_is_gone_where_it_would_be_seen(tmp_path: Path) -> None:
    made = image(tmp_path / "image", 40 * MIB, {2 * MIB: b"\2" * 3 * MIB + bytes(MIB) + b"\3" * MIB, 20 * MIB: b""})
    disk = tmp_path / "disk"
    disk.write_bytes(b"\xff" * 48 * MIB)
    write(made, look_at(disk))
    got, wanted = disk.read_bytes(), made.read_bytes()
    assert len(got) == 48 * MIB
    for begin, end in extents(made)[1:-1]:
        assert got[begin:end] == wanted[begin:end]
    assert got[: 7 * MIB][2 * MIB :] == wanted[2 * MIB : 7 * MIB]  # holes in the midst are zeros
    assert not any(got[20 * MIB : 21 * MIB])
    assert not any(got[-MIB:])  # the copy of an older table


def test_each_disk_has_numbers_of_its_own_by_which_a_machine_knows_it(tmp_path: Path) -> None:
    made, size = image(tmp_path / "image", 40 * MIB, {2 * MIB: b"system", 20 * MIB: b"store"}), 48 * MIB
    found = set[bytes]()
    for name in ("one", "other"):
        disk = tmp_path / name
        disk.write_bytes(bytes(size))
        write(made, look_at(disk))
        got = disk.read_bytes()
        assert numbers(got, 1) == numbers(got, 40 * MIB // 512 - 1)
        found.update(numbers(got, 1))
    assert len(found) == 6


def test_holes_are_not_written(tmp_path: Path) -> None:
    made = image(tmp_path / "image", 400 * MIB, {2 * MIB: b"\2" * MIB, 20 * MIB: b""})
    assert sum(end - begin for begin, end in extents(made)) < 8 * MIB
