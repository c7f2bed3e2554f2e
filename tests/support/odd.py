"""Virtual machines that lack something, or have other hardware than those that `modulux machine run` starts."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cli import Cli
from tests.support.virtual import PATIENCE, Virtual
from tests.support.waiting import wait_for

from modulux.machine.emulator import CARD, Machine
from modulux.machine.places import sockets_folder
from modulux.machine.running import Running, pull_plug, start, stop


@dataclass(frozen=True)
class Odd(Machine):
    """A virtual machine without a graphics card (`cards` is false), or without a sound card."""

    cards: bool = True
    sounds: bool = True
    lost: bool = False
    """Its state's disk, which the kernel is told of, is not there."""

    def drives(self) -> list[str]:
        words = super().drives()
        return words[:-2] if self.lost else words

    def _card(self) -> list[str]:
        return super()._card() if self.cards else []

    def _sound(self) -> list[str]:
        return super()._sound() if self.sounds else []


PC = {
    "virtio-keyboard-pci": "usb-kbd,bus=usb.0",
    "virtio-tablet-pci": "usb-tablet,bus=usb.0",
    "virtio-rng-pci": "qemu-xhci,id=usb",
    "virtio-blk-pci,drive=disk,bootindex=1": "ide-hd,drive=disk,bus=ide.0,bootindex=1",
    "virtio-net-pci,netdev=net": "e1000e,netdev=net",
}
"""What an ordinary computer has in place of a virtual machine's devices."""


SECOND_CARD = ["-netdev", "user,id=second,net=10.0.3.0/24,restrict=on", "-device", "i82559er,netdev=second"]
TOLD = "io.systemd.stub.kernel-cmdline-extra"
"""By which the boot program takes further words for the kernel (systemd-stub(7))."""


@dataclass(frozen=True)
class Pc(Machine):
    """A virtual machine with the hardware of an ordinary computer; the port to ask PID 1 by is all that it has beside it.

    Its second network card is an old one, to which Linux gives firmware. Of what is given to devices the kernel is told to speak.
    """

    def argv(self) -> list[str]:
        virtual = super().argv()
        assert set(PC) <= set(virtual), "it has all that is replaced"
        words = [PC.get(word, word) for word in virtual]
        at = words.index("qemu-xhci,id=usb") - 1  # before what is plugged into it
        usb, rest = words[at : at + 2], words[:at] + words[at + 2 :]
        first = rest.index("usb-kbd,bus=usb.0") - 1
        return [*rest[:first], *usb, *rest[first:], *SECOND_CARD, "-smbios", f"type=11,value={TOLD}=firmware_class.dyndbg=+p"]

    def _card(self) -> list[str]:
        return ["-device", f"VGA,id={CARD}"]


@contextlib.contextmanager
def odd(name: str, built: Path, kind: type[Machine] = Odd, *, cut: bool = False, **how: Any) -> Iterator[Virtual]:
    """The machine in the folder `built`, from its power-on; it is off again with the context, by its button or a power cut."""
    facts: dict[str, Any] = {"sockets": sockets_folder(name), "state": None, "memory": 1024**3} | how
    running = start(name, kind(built=built, **facts))
    try:
        yield Virtual(Cli("podman"), name, {})
    except BaseException:
        end(running)
        raise
    if cut:
        end(running)
    else:
        assert stop(running, 240), "its power button did not end it"


def end(running: Running) -> None:
    """As a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGKILL)
    pull_plug(running)
    wait_for(lambda: not running.alive(), "QEMU has ended", 30)


def hears(machine: Virtual, words: str, seconds: float = PATIENCE) -> None:
    """Wait until PID 1 has said these words on the serial line."""
    wait_for(lambda: any(words in said for _, said in machine.running.said()), f"{words}\n{machine.serial()[-4000:]}", seconds)
