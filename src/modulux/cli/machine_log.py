"""`modulux machine log`: what a machine that runs in QEMU said on its serial line."""

from __future__ import annotations

import json
import sys

from modulux.cli.common import Common


def log(name: str, module: str | None = None, *, common: Common | None = None) -> None:
    """Show what a machine said on its serial line, or what one of its containers said.

    Parameters
    ----------
    name
        the machine's name
    module
        a container's name, as `modulux machine log NAME` tells when it starts
    """
    from modulux.machine.control import ask
    from modulux.machine.running import named

    common = common or Common()
    machine = named(name).machine
    lines = ask(machine.control, "log", module) if module else machine.serial.read_text(errors="replace").splitlines()
    if common.json:
        sys.stdout.write(json.dumps(lines) + "\n")
        return
    sys.stdout.writelines(f"{line}\n" for line in lines)
