"""The two slots of a machine's disk: what the kernel is told in each, and how the boot loader knows them. Pure.

A slot is a boot program on the ESP (`EFI/Linux/modulux-GENERATION-SLOT.efi`), and partitions with the system and the store.
The boot loader (systemd-boot) takes the highest generation. One on trial is called `…+1.efi`: the loader makes that `…+0-1.efi`
before it starts it, PID 1 takes it off once the desktop is ready, and what still has it then comes after all others. A machine
that hangs, dies or loses its power on trial thus starts from the other slot, whoever is or is not at the keyboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLOTS = ("a", "b")
PREFIX = "modulux"
ESP, STATE = f"{PREFIX}-esp", f"{PREFIX}-state"
"""Labels of the partitions that both slots share."""

CONSOLES = "console=tty0 console=ttyS0"
QUIET = "quiet loglevel=4"
TIMER = "no_timer_check"
"""For virtual machines: an emulator that gets no time for a while looks like a timer wired wrongly (the kernel panics)."""

PANIC = "panic=10"
"""After so many seconds a kernel that died starts again, from the other slot if this one is on trial."""


def other(slot: str) -> str:
    """The slot that is not this one."""
    return SLOTS[1 - SLOTS.index(slot)]


def label(part: str, slot: str) -> str:
    """The label of a slot's partition, `part` being `system` or `store`."""
    return f"{PREFIX}-{part}-{slot}"


def verity_words(record: Mapping[str, Any]) -> list[str]:
    """What tells PID 1 by which root hash the kernel checks the system and the store; nothing for a machine built without."""
    return [f"modulux.{part}.verity={root}" for part, root in sorted(record.get("verity", {}).items())]


def kernel_words(slot: str, record: Mapping[str, Any]) -> str:
    """The kernel's command line in this slot.

    Args:
        record: what the build noted (`machine.json`).
    """
    parts = [f"modulux.{part}=PARTLABEL={label(part, slot)}" for part in ("system", "store")]
    where = [f"modulux.slot={slot}", f"modulux.try={record['trial']}", *parts, f"modulux.state=PARTLABEL={STATE}"]
    return " ".join([*common_words(record), *where])


def common_words(record: Mapping[str, Any]) -> list[str]:
    """What the kernel is told wherever it is started from."""
    timer = [TIMER] if record.get("profile") == "virtual" else []
    return [CONSOLES, QUIET, PANIC, *timer, *verity_words(record)]


def release(record: Mapping[str, Any]) -> str:
    """The os-release of a boot program. It names no version: the order of the boot loader's entries is that of their names."""
    return f'ID=modulux\nNAME=Modulux\nPRETTY_NAME="{record["name"]} {record["version"]}, Linux {record["kernel"]}"\n'
