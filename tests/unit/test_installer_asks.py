"""What the installer says and does at a virtual terminal and at a serial line, both at once: two pseudo-terminals, in a root of its own each.

The disk is a loop device, for only of a device the kernel knows whether somebody holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.parted import SLOTS, assert_renumbered, slots_table

from modulux.machine.iso import Piece, index
from modulux.paths import shipped

MODULE = shipped("modules") / "service/installer"
MIB = 1024**2
AT = 2048
REST = b"r" * (2 * MIB)
NEW_ROOT = """
set -e
cd "$1"
for folder in usr/bin usr/sbin lib lib64; do
  [ ! -d "/$folder" ] || mount --rbind "/$folder" "$folder"
done
mount -t tmpfs tmp tmp
for node in null zero; do mount --bind "/dev/$node" "dev/$node"; done
mount --bind "$2" "$3"
exec chroot . /usr/lib/modulux/installer "/$3"
"""


@dataclass
class Place:
    """Where somebody is asked."""

    process: subprocess.Popen[bytes]
    keys: int
    terminal: int  # open as long as this is: one that nobody has open is gone
    heard: str = ""

    def until(self, pattern: str) -> str:
        end = time.monotonic() + 60
        while not (found := re.search(pattern, self.heard)):
            assert time.monotonic() < end, f"{pattern}\n{self.heard}"
            if select.select([self.keys], [], [], 0.2)[0]:
                self.heard += os.read(self.keys, 65536).decode()
        said, self.heard = self.heard[: found.end()], self.heard[found.end() :]
        return said

    def answer(self, text: str, pattern: str) -> str:
        os.write(self.keys, f"{text}\n".encode())
        return self.until(pattern)


@dataclass
class Computer:
    """One that was started from the CD sr0, and has the disk vda."""

    root: Path
    disk: Path
    places: list[Place]

    def asked_at(self, name: str) -> Place:
        keys, terminal = os.openpty()
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", NEW_ROOT, "sh", str(self.root)]
        process = subprocess.Popen([*argv, os.ttyname(terminal), f"dev/{name}"], stdin=subprocess.DEVNULL)
        self.places.append(Place(process, keys, terminal))
        return self.places[-1]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return slots_table(tmp_path_factory.mktemp("table"))


def describe(block: Path, name: str, size: int) -> None:
    (block / name / "device").mkdir(parents=True)
    (block / name / "queue").mkdir()
    for fact, value in {"size": size // 512, "ro": 0, "device/model": "Disk", "queue/logical_block_size": 512}.items():
        (block / name / fact).write_text(f"{value}\n")


def part(whole: Path, number: int, label: str, begin: int, size: int) -> None:
    """A partition of a disk, as /sys shows it; in bytes."""
    folder = whole / f"{whole.name}{number}"
    folder.mkdir()
    for fact, value in {"partition": number, "start": begin // 512, "size": size // 512, "uevent": f"PARTNAME={label}"}.items():
        (folder / fact).write_text(f"{value}\n")
    (whole.parent / folder.name).symlink_to(f"{whole.name}/{folder.name}")


def mapped(block: Path, name: str, source: str) -> None:
    """A device that PID 1 has made of another."""
    (block / "dm-0/dm").mkdir(parents=True)
    (block / "dm-0/dm/name").write_text(f"{name}\n")
    (block / f"dm-0/slaves/{source}").mkdir(parents=True)


@contextlib.contextmanager
def attached(image: Path, node: Path) -> Iterator[Path]:
    """A loop device on a file, also under another name."""
    done = subprocess.run(["losetup", "--find", "--show", image], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no loop devices")
    own = Path(done.stdout.strip())
    try:
        subprocess.run(["cp", "-a", own, node], check=True)
        yield own
    finally:
        subprocess.run(["losetup", "--detach", own], check=False)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Computer]:
    """With a disk vda, and whatever it was started from still to be told."""
    programs = ("gcc", "unshare", "losetup", "blkid", "sfdisk")
    if os.geteuid() != 0 or not all(shutil.which(p) for p in programs):
        pytest.skip(f"needs root, {', '.join(programs)}")
    shutil.copytree(MODULE / "rootfs", tmp_path / "root")
    root, lib = tmp_path / "root", tmp_path / "root/usr/lib/modulux"
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Werror", "-o", lib / "hold", MODULE / "source/hold.c"], check=True)
    for name in ("dev/disks", "usr/bin", "usr/sbin", "lib", "lib64", "proc", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("null", "zero", "tty3", "ttyS0"):
        (root / "dev" / name).touch()
    describe(root / "sys/class/block", "vda", 24 * MIB)
    (tmp_path / "disk.img").write_bytes(b"old" * (8 * MIB))
    with attached(tmp_path / "disk.img", root / "dev/disks/vda") as disk:
        made = Computer(root, disk, [])
        yield made
        for place in made.places:
            place.process.kill()
            place.process.wait()
            os.close(place.keys)
            os.close(place.terminal)


@pytest.fixture
def computer(bare: Computer, table: bytes) -> Computer:
    """Started from a CD."""
    pieces = [
        Piece(MIB, 0, MIB, hashlib.sha256(table).hexdigest()),
        Piece(2 * MIB, 8 * MIB, 2 * MIB, hashlib.sha256(REST).hexdigest()),
    ]
    listed = index(pieces, ["machine office", f"size {16 * MIB}", "drivers virtio_blk"]).encode().ljust(MIB, b"\n")
    (bare.root / "dev/disks/sr0").write_bytes(bytes(AT) + listed + table + REST)
    (bare.root / "proc/cmdline").write_text(f"quiet modulux.medium=MODULUX_1:{AT}:{4 * MIB}\n")
    describe(bare.root / "sys/class/block", "sr0", 64 * MIB)
    mapped(bare.root / "sys/class/block", "medium-2048", "sr0")
    return bare


@pytest.fixture
def running(bare: Computer, table: bytes, tmp_path: Path) -> Iterator[Computer]:
    """Started from the disk vdb, which has slots and something to keep."""
    block, image = bare.root / "sys/class/block", tmp_path / "slots.img"
    image.write_bytes(table + b"e" * (2 * MIB) + b"s" * (3 * MIB) + b"b" * MIB + b"kept" * (3 * MIB) + bytes(MIB))
    describe(block, "vdb", 20 * MIB)
    begin = 1
    for number, (label, size) in enumerate(SLOTS.items(), 1):
        part(block / "vdb", number, label, begin * MIB, size * MIB)
        begin += size
    mapped(block, "system", "vdb2")
    (bare.root / "proc/cmdline").write_text("modulux.slot=a modulux.system=PARTLABEL=modulux-system-a\n")
    with attached(image, bare.root / "dev/disks/vdb"):
        yield bare


def test_both_are_asked_and_only_who_confirms_first_is_obeyed(computer: Computer, table: bytes, tmp_path: Path) -> None:
    screen, line = computer.asked_at("tty3"), computer.asked_at("ttyS0")
    asked = screen.until("Which disk.*: ")
    assert "\033c" in asked
    assert "The machine `office` can be installed on these disks" in asked
    assert "NOT this one: the medium that this was started from" in asked
    assert "\033c" not in line.until("Which disk.*: "), "what PID 1 says stands there"
    for place in (screen, line):
        place.answer("vda", "ALL THIS IS ERASED:[^?]*again to go on: ")
    screen.answer("vda", "INSTALLED: vda holds the machine `office`, read again")
    assert screen.process.wait(30) == 0
    line.answer("vda", "vda holds is no longer what was shown[^?]*vda was NOT installed[^?]*Which disk")
    disk = computer.disk.read_bytes()
    assert_renumbered(computer.disk, table, tmp_path)
    assert disk[8 * MIB : 10 * MIB] == REST


def test_a_disk_that_somebody_holds_is_refused_and_left_as_it_is(computer: Computer) -> None:
    before = computer.disk.read_bytes()
    place = computer.asked_at("tty3")
    place.until("Which disk.*: ")
    place.answer("vda", "again to go on: ")
    holder = os.open(computer.disk, os.O_RDWR | os.O_EXCL)  # the other one begins to write
    try:
        place.answer("vda", "vda was NOT installed[^?]*NOT this one: in use[^?]*Which disk.*: ")
        place.answer("vda", "vda: in use")
    finally:
        os.close(holder)
    assert computer.disk.read_bytes() == before


def test_nothing_is_written_unless_the_name_is_typed_twice(computer: Computer) -> None:
    before = computer.disk.read_bytes()
    place = computer.asked_at("ttyS0")
    place.until("Which disk.*: ")
    place.answer("vda", "again to go on: ")
    place.answer("", "Nothing was written")
    place.until("Which disk.*: ")
    place.answer("sr0", "sr0: the medium that this was started from")
    assert computer.disk.read_bytes() == before


def test_a_machine_on_a_disk_gives_another_all_but_what_it_keeps(running: Computer, table: bytes, tmp_path: Path) -> None:
    place = running.asked_at("tty3")
    listed = place.until("Which disk.*: ")
    assert re.search("vdb .*(\r\n.*vdb[0-9].*)*\r\n *NOT this one: the disk that this was started from", listed), listed
    place.answer("vdb", "vdb: the disk that this was started from")
    place.until("Which disk.*: ")
    place.answer("vda", "again to go on: ")
    said = place.answer("vda", "INSTALLED: vda[^?]*What this machine keeps is not on it")
    assert "take the disk out" in said
    assert_renumbered(running.disk, table, tmp_path)
    disk = running.disk.read_bytes()
    assert disk[MIB : 8 * MIB] == b"e" * (2 * MIB) + b"s" * (3 * MIB) + b"b" * MIB + bytes(MIB)
    assert b"kept" not in disk


def test_a_disk_smaller_than_the_running_ones_partitions_is_refused(running: Computer) -> None:
    (running.root / "sys/class/block/vda/size").write_text(f"{18 * MIB // 512}\n")
    running.asked_at("tty3").until("NOT this one: too small: 0.0 GB are needed[^?]*Which disk")


def test_a_disk_with_another_driver_than_the_running_ones_is_refused(running: Computer) -> None:
    (running.root / "proc/modules").write_text("ahci 1 0 - Live 0x0\n")
    module = running.root / "sys/class/block/vda/device/driver/module"
    module.parent.mkdir()
    module.symlink_to("/sys/module/ahci")
    running.asked_at("tty3").until("NOT this one: it has another driver.*: ahci\r")


def test_who_was_started_from_neither_has_nothing_to_install_and_says_so_where_he_is_asked(bare: Computer) -> None:
    (bare.root / "proc/cmdline").write_text("quiet\n")
    place = bare.asked_at("tty3")
    place.until("nothing to install")
    assert place.process.wait(30) == 0
