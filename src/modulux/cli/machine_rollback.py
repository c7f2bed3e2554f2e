"""`modulux machine rollback`: a machine that runs in QEMU, started from its other slot."""

from __future__ import annotations

from modulux.cli.common import Common, Yes, confirm


def rollback(name: str, *, yes: Yes = False, common: Common | None = None) -> None:
    """Start a machine from its other slot, as it was before the last upgrade. Asks first: all that runs on it is ended.

    Parameters
    ----------
    name
        the machine's name
    """
    from modulux.cli.machine_upgrade import judge
    from modulux.machine.running import named
    from modulux.machine.upgrade import roll_back

    common = common or Common()
    running = named(name)
    confirm(f"`{name}` is started anew from its other slot. Go on?", yes)
    judge(name, roll_back(running, common.report), common)
