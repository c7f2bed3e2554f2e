"""Single desktops of a machine that runs: one that rests is started, one that is not wanted is ended, the machine goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

from modulux.errors import NotFoundError, NotReadyError
from modulux.machine.control import Door, ask
from modulux.machine.terminals import Terminal, show, terminals

PATIENCE = 60.0
"""Seconds in which a desktop ends; PID 1 gives each container ten."""


def desktops(control: Door) -> dict[str, str]:
    """What each is doing: `ready`, `starting`, `ending` or `rests`.

    Raises:
        EngineError, NotReadyError: as `ask`.
    """
    return dict(line.split("\t", 1) for line in ask(control, "desktops"))


def start_desktop(control: Door, desktop: str) -> None:
    """Start what of it does not run.

    Raises:
        NotFoundError: the machine has no such desktop.
        EngineError, NotReadyError: as `ask`.
    """
    _known(control, desktop)
    ask(control, "begin", desktop)


def end_desktop(control: Door, desktop: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """End it, those first that stand on others. If it was seen, another is then.

    Raises:
        NotFoundError: the machine has no such desktop.
        NotReadyError: it does not end; as `ask`.
        EngineError: as `ask`.
    """
    states = _known(control, desktop)
    other = _other(terminals(control), desktop, states)
    ask(control, "end", desktop)
    end = time.monotonic() + PATIENCE
    while desktops(control)[desktop] != "rests":
        if time.monotonic() > end:
            raise NotReadyError(f"`{desktop}` did not end within {PATIENCE:.0f} s", hint="modulux machine log")
        sleep(0.5)
    if other:
        show(control, other)


def _known(control: Door, desktop: str) -> dict[str, str]:
    states = desktops(control)
    if desktop not in states:
        raise NotFoundError(f"there is no desktop `{desktop}` there", hint=f"there are: {', '.join(states)}")
    return states


def _other(there: list[Terminal], desktop: str, states: dict[str, str]) -> Terminal | None:
    """The display that is to be seen in place of this desktop's, if that is seen now."""
    if not any(t.seen and t.draws and t.name == desktop for t in there):
        return None
    return next((t for t in there if t.draws and t.name != desktop and states.get(t.name) == "ready"), None)
