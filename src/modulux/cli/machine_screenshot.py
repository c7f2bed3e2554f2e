"""`modulux machine screenshot`: what the graphics card of a machine that runs in QEMU shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common


def screenshot(
    name: str,
    *,
    screen: Annotated[int, Parameter(help="which of several, from left to right")] = 1,
    output: Annotated[Path, Parameter(alias="-o", help="a PNG file")] = Path("machine.png"),
    common: Common | None = None,
) -> None:
    """Write what a machine's graphics card shows, as a screen on it would.

    Parameters
    ----------
    name
        the machine's name
    """
    from modulux.errors import UsageError
    from modulux.machine.qmp import Monitor
    from modulux.machine.running import named

    common = common or Common()
    machine = named(name).machine
    if not 1 <= screen <= 1 + len(machine.beside):
        raise UsageError(f"`{name}` has no screen {screen}", hint=f"it has {1 + len(machine.beside)}")
    with Monitor(machine.monitor) as qemu:
        qemu.picture(output.resolve(), screen - 1)
    common.result({"name": name, "file": str(output)}, lambda console: console.print(f"{output}"))
