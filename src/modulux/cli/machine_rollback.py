"""`modulux machine rollback`: a machine that runs in QEMU, or one module of it, back to what it was."""

from __future__ import annotations

from modulux.cli.common import Common, Yes, confirm


def rollback(name: str, module: str | None = None, *, yes: Yes = False, common: Common | None = None) -> None:
    """Start a machine from its other slot, as it was before the last upgrade. Asks first: all that runs on it is ended.

    With a module, that one alone goes back to what the machine's system came with, without a new start of the machine.

    Parameters
    ----------
    name
        the machine's name
    module
        a module that was updated: its id, or its container's name
    """
    from modulux.cli.machine_upgrade import judge
    from modulux.machine.running import named
    from modulux.machine.upgrade import roll_back

    common = common or Common()
    running = named(name)
    if module is not None:
        _one(name, module, yes, common)
        return
    confirm(f"`{name}` is started anew from its other slot. Go on?", yes)
    judge(name, roll_back(running, common.report), common)


def _one(name: str, module: str, yes: bool, common: Common) -> None:
    from modulux.machine import update as u
    from modulux.machine.running import named

    control = named(name).machine.control
    there = u.look(control)
    container = u.chosen(module, [(s.name, s.module or s.name) for s in there.containers.values()])
    again = ", ".join([container, *u.again(there, container)])
    confirm(f"Started again as `{name}` came with it: {again}. Go on?", yes)
    u.take_back(control, container, common.report)
    text = f"{container} of {name} is the one that its system came with."
    common.result({"name": name, "container": container, "kept": False}, lambda console: console.print(text))
