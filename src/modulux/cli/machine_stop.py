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
    """End a machine that runs in QEMU as its power button would; what hangs is cut off.

    Parameters
    ----------
    name
        the machine's name
    """
    from modulux.machine.running import Ended, named
    from modulux.machine.running import stop as end

    common = common or Common()
    ended = end(named(name), grace)
    texts = {
        Ended.BY_ITSELF: f"{name} is off.",
        Ended.CUT_OFF: f"{name} did not go off by itself within {grace:.0f} s; it was cut off.",
        Ended.KILLED: f"{name} did not go off by itself within {grace:.0f} s, and its QEMU did not answer; it was killed.",
    }
    result = {"name": name, "by_itself": ended is Ended.BY_ITSELF, "ended": str(ended)}
    common.result(result, lambda console: console.print(texts[ended]))
