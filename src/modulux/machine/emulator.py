"""QEMU: how a built machine is started in it. Whether KVM can be used is found by trying: a guest may die where it opens."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modulux import run
from modulux.errors import NotFoundError
from modulux.machine import firmware
from modulux.machine.build import KERNEL, START, STORE, SYSTEM, noted
from modulux.machine.slots import CONSOLES, PANIC, QUIET, TIMER, verity_words
from modulux.model.plan import fingerprint
from modulux.model.units import Screen
from modulux.paths import cache

PROGRAM = "qemu-system-x86_64"
CONTROL = "modulux.control"
"""The name of the port by which PID 1 is asked things from outside."""

CARD = "card"
"""The graphics card, as the monitor calls it."""

LAST_SLOTS = 0x18
"""On the bus, of further disks: QEMU makes devices before drives, and the kernel counts disks in the order of the bus."""

USB = "usb"
"""The USB controller, which is there where something is plugged into it."""

KEEPER = "modulux.keeper"
"""That by which `modulux` in the machine is, where it has one (`service/keeper`)."""

TRIED = 20.0
"""Seconds in which a kernel must have come to looking for its root file system under KVM."""

ARRIVED = ("Unable to mount root", "No working init", "Please append a correct")


@dataclass(frozen=True)
class Machine:
    """What a virtual machine is given. Memory and state in bytes; ports of the machine with that of the host's loopback.

    With a `disk`, or an `iso` in its CD drive (with `stick`, as a memory stick), it is that which its firmware boots, the ISO
    before the disk, with `variables` as what the firmware remembers, and `fresh` to leave the disk as it is; else the kernel in
    `built`. Files in `usb` are plugged in as memory sticks, those in `more` are further disks, called by their files' names.
    `beside` are its screens other than the first; `monitors.py` plugs them in. What it plays goes into the file `sound`, else
    to QEMU's driver `speakers` (`offers.py`).
    """

    built: Path
    sockets: Path
    state: Path | None
    memory: int
    processors: int = 2
    accelerator: str = "tcg"
    ports: dict[int, int] = field(default_factory=dict)
    sound: Path | None = None
    speakers: str = "none"
    window: bool = False
    network: bool = True
    kernel_words: Sequence[str] = ()
    disk: Path | None = None
    variables: Path | None = None
    fresh: bool = False
    iso: Path | None = None
    stick: bool = False
    usb: Sequence[Path] = ()
    more: Sequence[Path] = ()
    beside: Sequence[Screen] = ()

    @property
    def monitor(self) -> Path:
        return self.sockets / "qmp.sock"

    @property
    def control(self) -> Path:
        return self.sockets / "control.sock"

    @property
    def keeper(self) -> Path:
        """The socket at whose other end `modulux` in the machine listens."""
        return self.sockets / "keeper.sock"

    @property
    def serial(self) -> Path:
        return self.sockets / "serial.log"

    @property
    def console(self) -> Path:
        """The socket at the other end of its serial line."""
        return self.sockets / "serial.sock"

    def screen_door(self, number: int) -> Path:
        """The socket of a screen other than the first, which is 0: there it is plugged in."""
        return self.sockets / f"screen{number}.sock"

    def argv(self) -> list[str]:
        """The command; QEMU becomes the virtual machine and lives as long as it."""
        words = [PROGRAM, "-nodefaults", "-no-user-config", "-machine", f"q35,accel={self.accelerator},hpet=off", "-cpu", "max"]
        words += ["-m", f"{self.memory // 1024**2}M", "-smp", str(self.processors)]
        words += self._by_firmware() if self.disk or self.iso else self._directly()
        words += [*self._more(), *self._card()]
        words += ["-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci"]
        words += ["-device", "virtio-rng-pci", *self._screen(), *self._sound(), *self._network(), *self._sticks()]
        words += ["-chardev", f"socket,id=serial,path={self.console},server=on,wait=off,logfile={self.serial}"]
        words += ["-serial", "chardev:serial", "-qmp", f"unix:{self.monitor},server=on,wait=off"]
        words += ["-device", "virtio-serial-pci", "-chardev", f"socket,id=control,path={self.control},server=on,wait=off"]
        words += ["-device", f"virtserialport,chardev=control,name={CONTROL}"]
        words += ["-chardev", f"socket,id=keeper,path={self.keeper},server=on,wait=off"]
        words += ["-device", f"virtserialport,chardev=keeper,name={KEEPER}"]
        return words

    def _directly(self) -> list[str]:
        words = ["-no-reboot", "-kernel", str(self.built / KERNEL), "-initrd", str(self.built / START)]
        return [*words, "-append", self.kernel_line(), *self.drives()]

    def _by_firmware(self) -> list[str]:
        words = firmware.words(self.variables) if self.variables else []
        if self.iso and self.stick:
            words += ["-drive", f"file={self.iso},format=raw,if=none,id=medium,readonly=on"]
            words += [*self._usb(), "-device", f"usb-storage,bus={USB}.0,drive=medium,removable=on,bootindex=0"]
        elif self.iso:
            words += ["-drive", f"file={self.iso},format=raw,if=none,id=cd,media=cdrom,readonly=on"]
            words += ["-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=cd,bootindex=0"]
        if self.disk:
            words += [
                "-drive",
                f"{self.written(self.disk)},if=none,id=disk,discard=unmap{',snapshot=on' if self.fresh else ''}",
            ]
            words += ["-device", "virtio-blk-pci,drive=disk,bootindex=1"]
        return words

    def kernel_line(self) -> str:
        """What the kernel is told."""
        state = f"modulux.state={'/dev/vdc' if self.state else 'none'}"
        return " ".join([CONSOLES, QUIET, PANIC, TIMER, state, *verity_words(noted(self.built)), *self.kernel_words])

    def drives(self) -> list[str]:
        """What it has for disks, in the order of /dev/vda, vdb, vdc."""
        words = []
        for name in (SYSTEM, STORE):
            words += ["-drive", f"file={self.built / name},format=raw,if=virtio,readonly=on"]
        if self.state:
            words += ["-drive", f"{self.written(self.state)},if=virtio,discard=unmap"]
        return words

    def written(self, disk: Path) -> str:
        """How QEMU has a disk that is written to."""
        return f"file={disk},format=raw"

    def _more(self) -> list[str]:
        words, passing = [], ",snapshot=on" if self.fresh else ""
        for number, file in enumerate(self.more):
            words += ["-drive", f"{self.written(file)},if=none,id=more{number},discard=unmap{passing}"]
            words += ["-device", f"virtio-blk-pci,drive=more{number},serial={serial(file)},addr={LAST_SLOTS + number:#x}"]
        return words

    def _card(self) -> list[str]:
        outputs = f",max_outputs={1 + len(self.beside)}" if self.beside else ""
        return ["-device", f"virtio-vga,id={CARD}{outputs}"]

    def _screen(self) -> list[str]:
        if self.window:
            return ["-display", "gtk"]
        words = ["-display", "none", "-vnc", "127.0.0.1:0,to=200,password=on"]
        for number, _ in enumerate(self.beside, 1):
            words += ["-vnc", f"unix:{self.screen_door(number)},display={CARD},head={number}"]
        return words

    def _usb(self) -> list[str]:
        return ["-device", f"qemu-xhci,id={USB}"]

    def _sticks(self) -> list[str]:
        words = self._usb() if self.usb and not (self.iso and self.stick) else []
        for number, file in enumerate(self.usb):
            words += ["-drive", f"file={file},format=raw,if=none,id=usb{number}"]
            words += ["-device", f"usb-storage,bus={USB}.0,drive=usb{number},removable=on,id=stick{number}"]
        return words

    def _sound(self) -> list[str]:
        host = f"wav,id=sound,path={self.sound}" if self.sound else f"{self.speakers},id=sound"
        return ["-audiodev", host, "-device", "intel-hda", "-device", "hda-output,audiodev=sound"]

    def _network(self) -> list[str]:
        if not self.network:
            return ["-nic", "none"]
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{outside}-:{inside}" for inside, outside in self.ports.items())
        return ["-netdev", f"user,id=net{forwards}", "-device", "virtio-net-pci,netdev=net"]


def serial(file: Path) -> str:
    """What a disk in this file calls itself: at most 20 letters and figures, as virtio has them."""
    return re.sub("[^A-Za-z0-9-]", "-", file.stem)[:20]


def there(file: Path) -> Path:
    """The file's whole path.

    Raises:
        NotFoundError: it is not there.
    """
    if not file.exists():
        raise NotFoundError(f"there is no {file}", hint=f"an empty one: truncate -s 1G {file}; mkfs.vfat {file}")
    return file.resolve()


def accelerator(kernel: Path) -> str:
    """`kvm` if this kernel comes up under it here, else `tcg`; the answer is kept until the host is booted anew."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = cache() / "machine" / f"accelerator.{fingerprint([boot, kernel.stat().st_size, kernel.stat().st_mtime])}"
    if known.is_file():
        return known.read_text()
    found = "kvm" if _comes_up(kernel) else "tcg"
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(found)
    return found


def _comes_up(kernel: Path) -> bool:
    """Whether the kernel, without anything else, gets to the point where it misses its root file system."""
    with tempfile.TemporaryDirectory() as folder:
        serial = Path(folder) / "serial"
        words = [
            PROGRAM,
            "-nodefaults",
            "-machine",
            "q35,accel=kvm",
            "-cpu",
            "max",
            "-m",
            "512M",
            "-display",
            "none",
            "-no-reboot",
        ]
        words += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1", "-serial", f"file:{serial}"]
        with run.pipe(words) as process:
            end = time.monotonic() + TRIED
            while process.poll() is None and time.monotonic() < end:
                if _said(serial, ARRIVED):
                    return True
                time.sleep(0.1)
        return _said(serial, ARRIVED)


def _said(serial: Path, words: Sequence[str]) -> bool:
    text = serial.read_text(errors="replace") if serial.exists() else ""
    return any(word in text for word in words)
