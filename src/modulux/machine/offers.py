"""What this host's QEMU has of a person's desktop: ways to its loudspeakers, and a window. Debian packs both apart."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from modulux import run
from modulux.errors import HostError
from modulux.host.packages import Need, emulator_needs, find_program, missing
from modulux.machine.emulator import PROGRAM

EXTRA = "qemu-system-gui"
"""Debian's package of these."""

SERVERS = (("pa", "pulse/native"), ("pipewire", "pipewire-0"))
"""QEMU's drivers, and the sockets below XDG_RUNTIME_DIR of the sound servers that they play to; PipeWire has both."""

WINDOW = "gtk"

PATIENCE = 10.0
"""Seconds in which QEMU says what it has."""


def offered(kind: str) -> frozenset[str]:
    """What QEMU names when it is asked for help on `audiodev` or `display`; nothing where it is not there, or names nothing."""
    program = find_program(PROGRAM)
    if program is None:
        return frozenset()
    said = run.run([program, f"-{kind}", "help"], timeout=PATIENCE)
    return frozenset(line.strip() for line in said.stdout.splitlines() if said.ok and " " not in line.strip())


def speakers(environment: Mapping[str, str] = os.environ) -> tuple[str, str | None]:
    """Which of QEMU's drivers plays what a machine plays, and what to tell a person who might expect to hear it.

    `none` is one that plays to nobody. Nothing is told where the host has no sound server: then nothing is expected.
    """
    runtime = Path(environment.get("XDG_RUNTIME_DIR", "/nowhere"))
    wanted = [driver for driver, socket in SERVERS if (runtime / socket).exists()]
    if not wanted:
        return "none", None
    there = offered("audiodev")
    if found := [driver for driver in wanted if driver in there]:
        return found[0], None
    return (
        "none",
        f"this host's QEMU has no `{wanted[0]}`: apt install {EXTRA} lets it be heard here; a browser plays it anyway",
    )


def lacking(*, firmware: bool = False, window: bool = False) -> Sequence[Need]:
    """What the host lacks to boot a machine in QEMU: `firmware` from its disk, `window` in a window of this desktop."""
    needs = missing(emulator_needs(firmware=firmware))
    if window and WINDOW not in offered("display"):
        needs.append(Need(EXTRA, "a window for a virtual machine's screen"))
    return needs


def refuse_window(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse `--window` where there can be none.

    Raises:
        HostError: there is no desktop to show it on, or a QEMU without windows.
    """
    hint = "without --window any VNC client shows it"
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        raise HostError("there is no desktop here to show a window on", hint=hint)
    if WINDOW not in offered("display"):
        raise HostError("this host's QEMU has no windows (GTK)", hint=f"apt install {EXTRA}; {hint}")
