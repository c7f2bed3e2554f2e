"""`modulux machine rollback`: a machine that runs, or one module of it, back to what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modulux.cli.common import Common, Yes, confirm

if TYPE_CHECKING:
    from modulux.machine.far import Reached


def rollback(name: str, module: str | None = None, *, yes: Yes = False, common: Common | None = None) -> None:
    """Start a machine from its other slot, as it was before the last upgrade. Asks first: all that runs on it is ended.

    With a module, that one alone goes back to what the machine's system came with, without a new start of the machine.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    module
        a module that was updated: its id, or its container's name
    """
    from modulux.cli.machine_upgrade import judge
    from modulux.cli.reach import reached
    from modulux.machine.upgrade import roll_back

    common = common or Common()
    running = reached(name, yes)
    if module is not None:
        _one(running, module, yes, common)
        return
    confirm(f"`{name}` is started anew from its other slot. Go on?", yes)
    judge(name, roll_back(running, common.report), common)


def _one(running: Reached, module: str, yes: bool, common: Common) -> None:
    from modulux.machine import update as u

    name, control = running.name, running.control
    there = u.look(control)
    container = u.chosen(module, [(s.name, s.module or s.name) for s in there.containers.values()])
    again = ", ".join([container, *u.again(there, container)])
    confirm(f"Started again as `{name}` came with it: {again}. Go on?", yes)
    u.take_back(control, container, common.report)
    text = f"{container} of {name} is the one that its system came with."
    common.result({"name": name, "container": container, "kept": False}, lambda console: console.print(text))
