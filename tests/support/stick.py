"""Memory sticks for virtual machines: files with a file system, made without a privilege, and plugged in while the machine runs."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from modulux.machine.qmp import Monitor
from modulux.machine.running import Running

SECTOR = 512
BEGIN = 2048
"""The sector at which a partition begins."""

RESERVED, TABLE, ENTRIES, CLUSTER = 4, 64, 512, 4
"""Of FAT16: sectors before the tables and of a table, entries of the root folder, sectors of a cluster."""


def vfat(path: Path, label: str, size: int = 32 * 1024**2) -> Path:
    """A stick with a partition of FAT16."""
    sectors = size // SECTOR - BEGIN
    head = bytearray(SECTOR)
    head[:62] = struct.pack(
        "<3s8sHBHBHHBHHHIIBBBI11s8s",
        b"\xeb\x3c\x90",
        b"MODULUX ",
        SECTOR,
        CLUSTER,
        RESERVED,
        2,
        ENTRIES,
        0 if sectors > 0xFFFF else sectors,
        0xF8,
        TABLE,
        63,
        255,
        BEGIN,
        sectors if sectors > 0xFFFF else 0,
        0x80,
        0,
        0x29,
        0x12345678,
        label.encode().ljust(11),
        b"FAT16   ",
    )
    head[510:] = b"\x55\xaa"
    entry = label.encode().ljust(11) + b"\x08" + bytes(20)
    with path.open("wb") as file:
        file.truncate(size)
        row = struct.pack("<B3sB3sII", 0, bytes(3), 6, bytes(3), BEGIN, sectors)
        file.write(bytes(446) + row + bytes(48) + b"\x55\xaa")
        file.seek(BEGIN * SECTOR)
        file.write(head)
        for table in range(2):
            file.seek((BEGIN + RESERVED + table * TABLE) * SECTOR)
            file.write(b"\xf8\xff\xff\xff")
        file.seek((BEGIN + RESERVED + 2 * TABLE) * SECTOR)
        file.write(entry)
    return path


def ext4(path: Path, label: str, files: Path) -> Path:
    """A stick without partitions, with what lies in a folder."""
    with path.open("wb") as file:
        file.truncate(16 * 1024**2)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", str(files), str(path)], check=True)
    return path


def plug_in(running: Running, name: str, file: Path) -> None:
    with Monitor(running.machine.monitor) as qemu:
        qemu.do("blockdev-add", driver="raw", **{"node-name": name, "file": {"driver": "file", "filename": str(file)}})
        qemu.do("device_add", driver="usb-storage", id=name, bus="usb.0", drive=name, removable=True)


def plug_in_input(running: Running, name: str, kind: str) -> None:
    """`usb-kbd`, `usb-mouse` or `usb-tablet`."""
    with Monitor(running.machine.monitor) as qemu:
        qemu.do("device_add", driver=kind, id=name, bus="usb.0")


def pull_out(running: Running, name: str) -> None:
    with Monitor(running.machine.monitor) as qemu:
        qemu.do("device_del", id=name)


def listening(inside: Callable[[str, str], str], display: str, what: str) -> str:
    """The file in which a display's container notes what the newest USB keyboard says, from now on for a minute.

    Args:
        inside: what a script prints in a container.
    """
    node = inside(display, "grep -l Keyboard /sys/class/input/event*/device/name")
    names = {line.split("/")[4]: inside(display, f"cat {line}") for line in node.splitlines()}
    event = next(name for name, called in names.items() if "USB Keyboard" in called and name.startswith("event"))
    inside(display, f"(timeout 60 cat /dev/input/{event} > /tmp/{what}) >/dev/null 2>&1 &")
    time.sleep(1)
    return f"/tmp/{what}"
