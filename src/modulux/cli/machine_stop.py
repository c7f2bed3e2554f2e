"""`modulux machine stop`: the power button of a machine that runs in QEMU, or the end of one of its desktops."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common


def stop(
    name: str,
    desktop: str | None = None,
    *,
    grace: Annotated[float, Parameter(help="seconds after which what hangs is cut off")] = 60.0,
    common: Common | None = None,
) -> None:
    """End a machine that runs in QEMU as its power button would; what hangs is cut off. Or one desktop of it alone.

    Parameters
    ----------
    name
        the machine's name
    desktop
        only this one ends, and the machine goes on
    """
    from modulux.machine.desktops import end_desktop
    from modulux.machine.running import Ended, named
    from modulux.machine.running import stop as end

    common = common or Common()
    if desktop is not None:
        end_desktop(named(name).machine.control, desktop)
        common.result({"name": name, "desktop": desktop}, lambda console: console.print(f"{desktop} of {name} has ended."))
        return
    ended = end(named(name), grace)
    texts = {
        Ended.BY_ITSELF: f"{name} is off.",
        Ended.CUT_OFF: f"{name} did not go off by itself within {grace:.0f} s; it was cut off.",
        Ended.KILLED: f"{name} did not go off by itself within {grace:.0f} s, and its QEMU did not answer; it was killed.",
    }
    result = {"name": name, "by_itself": ended is Ended.BY_ITSELF, "ended": str(ended)}
    common.result(result, lambda console: console.print(texts[ended]))
