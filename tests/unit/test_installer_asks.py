"""What the installer says and does at a virtual terminal and at a serial line, both at once: two pseudo-terminals, in a root of its own each.

The disk is a loop device, for only of a device the kernel knows whether somebody holds it.
"""

from __future__ import annotations

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

from modulux.machine.iso import Piece, index
from modulux.paths import shipped

MODULE = shipped("modules") / "service/installer"
MIB = 1024**2
AT = 2048
TABLE, REST = b"t" * MIB, b"r" * (2 * MIB)
NEW_ROOT = """
set -e
cd "$1"
for folder in usr/bin usr/sbin lib lib64; do
  [ ! -d "/$folder" ] || mount --rbind "/$folder" "$folder"
done
mount -t tmpfs tmp tmp
mount -t proc proc proc
mount --bind cmdline proc/cmdline
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


def describe(block: Path, name: str, size: int) -> None:
    (block / name / "device").mkdir(parents=True)
    (block / name / "queue").mkdir()
    for fact, value in {"size": size // 512, "ro": 0, "device/model": "Disk", "queue/logical_block_size": 512}.items():
        (block / name / fact).write_text(f"{value}\n")


@pytest.fixture
def computer(tmp_path: Path) -> Iterator[Computer]:
    programs = ("gcc", "unshare", "losetup", "blkid")
    if os.geteuid() != 0 or not all(shutil.which(p) for p in programs):
        pytest.skip(f"needs root, {', '.join(programs)}")
    shutil.copytree(MODULE / "rootfs", tmp_path / "root")
    root, lib = tmp_path / "root", tmp_path / "root/usr/lib/modulux"
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Werror", "-o", lib / "hold", MODULE / "source/hold.c"], check=True)
    pieces = [
        Piece(MIB, 0, MIB, hashlib.sha256(TABLE).hexdigest()),
        Piece(2 * MIB, 8 * MIB, 2 * MIB, hashlib.sha256(REST).hexdigest()),
    ]
    listed = index(pieces, ["machine office", f"size {16 * MIB}", "drivers virtio_blk"]).encode().ljust(MIB, b"\n")
    for name in ("dev/disks", "usr/bin", "usr/sbin", "lib", "lib64", "proc", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("null", "zero", "tty3", "ttyS0"):
        (root / "dev" / name).touch()
    (root / "dev/disks/sr0").write_bytes(bytes(AT) + listed + TABLE + REST)
    (root / "cmdline").write_text(f"quiet modulux.medium=MODULUX_1:{AT}:{4 * MIB}\n")
    block = root / "sys/class/block"
    describe(block, "sr0", 64 * MIB)
    describe(block, "vda", 24 * MIB)
    for fact in ("dm/name", "slaves/sr0"):
        (block / "dm-0" / fact).parent.mkdir(parents=True)
    (block / "dm-0/dm/name").write_text("medium-2048\n")
    (block / "dm-0/slaves/sr0").touch()
    image = tmp_path / "disk.img"
    image.write_bytes(b"old" * (8 * MIB))
    attached = subprocess.run(["losetup", "--find", "--show", image], check=False, capture_output=True, text=True)
    if attached.returncode:
        pytest.skip("no loop devices")
    node = Path(attached.stdout.strip())
    subprocess.run(["cp", "-a", node, root / "dev/disks/vda"], check=True)
    made = Computer(root, node, [])
    yield made
    for place in made.places:
        place.process.kill()
        place.process.wait()
        os.close(place.keys)
        os.close(place.terminal)
    subprocess.run(["losetup", "--detach", node], check=False)


def test_both_are_asked_and_only_who_confirms_first_is_obeyed(computer: Computer) -> None:
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
    assert disk[:MIB] == TABLE
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
