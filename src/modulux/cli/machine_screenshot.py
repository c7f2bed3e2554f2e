"""`modulux machine screenshot`: what the graphics card of a machine that runs in QEMU shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common


def screenshot(
    name: str,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="a PNG file")] = Path("machine.png"),
    common: Common | None = None,
) -> None:
    """Write what a machine's graphics card shows, as a screen on it would.

    Parameters
    ----------
    name
        the machine's name
    """
    from modulux.machine.qmp import Monitor
    from modulux.machine.running import named

    common = common or Common()
    with Monitor(named(name).machine.monitor) as qemu:
        qemu.picture(output.resolve())
    common.result({"name": name, "file": str(output)}, lambda console: console.print(f"{output}"))
