"""`modulux machine console`: the serial line of a machine that runs in QEMU."""

from __future__ import annotations

import sys

from modulux.cli.common import Common

LAST = 2000
"""So much of what was said before is shown first."""


def console(name: str, *, common: Common | None = None) -> None:
    """Talk to a machine by its serial line, as to the installer of one that was started from an ISO image. Ctrl-C leaves it.

    Parameters
    ----------
    name
        the machine's name
    """
    from modulux.machine import console as c
    from modulux.machine.running import named

    del common
    machine = named(name).machine
    with c.connect(machine.console) as line, c.keys_at_once(sys.stdin.fileno()):
        sys.stdout.write(machine.serial.read_text(errors="replace")[-LAST:])
        sys.stdout.flush()
        try:
            c.carry(line, sys.stdin.fileno(), sys.stdout.fileno())
        except KeyboardInterrupt:
            sys.stdout.write("\n")
