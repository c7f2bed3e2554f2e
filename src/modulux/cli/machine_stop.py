"""`modulux machine stop`: the power button of a machine that runs in QEMU."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common


def stop(
    name: str,
    *,
    grace: Annotated[float, Parameter(help="seconds after which what hangs is cut off")] = 60.0,
    common: Common | None = None,
) -> None:
    """End a machine that runs as its power button would; what hangs is cut off, in QEMU.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    """
    from modulux.cli.reach import reached
    from modulux.errors import NotReadyError
    from modulux.machine.running import Running
    from modulux.machine.running import stop as end

    common = common or Common()
    running = reached(name)
    by_itself = end(running, grace) if isinstance(running, Running) else running.stop(grace)
    if not by_itself and not isinstance(running, Running):
        raise NotReadyError(f"{name} still answers after {grace:.0f} s", hint="its own power button")
    text = f"{name} is off." if by_itself else f"{name} did not go off by itself within {grace:.0f} s; it was cut off."
    common.result({"name": name, "by_itself": by_itself}, lambda console: console.print(text))
