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
    """End a machine that runs as its power button would; what hangs is cut off, in QEMU. Or one desktop of it alone.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    desktop
        only this one ends, and the machine goes on
    """
    from modulux.cli.reach import reached
    from modulux.errors import NotReadyError
    from modulux.machine.desktops import end_desktop
    from modulux.machine.running import Ended, Running
    from modulux.machine.running import stop as end

    common = common or Common()
    running = reached(name)
    if desktop is not None:
        end_desktop(running.control, desktop)
        common.result({"name": name, "desktop": desktop}, lambda console: console.print(f"{desktop} of {name} has ended."))
        return
    if isinstance(running, Running):
        ended = end(running, grace)
    elif running.stop(grace):
        ended = Ended.BY_ITSELF
    else:
        raise NotReadyError(f"{name} still answers after {grace:.0f} s", hint="its own power button")
    texts = {
        Ended.BY_ITSELF: f"{name} is off.",
        Ended.CUT_OFF: f"{name} did not go off by itself within {grace:.0f} s; it was cut off.",
        Ended.KILLED: f"{name} did not go off by itself within {grace:.0f} s, and its QEMU did not answer; it was killed.",
    }
    result = {"name": name, "by_itself": ended is Ended.BY_ITSELF, "ended": str(ended)}
    common.result(result, lambda console: console.print(texts[ended]))
