"""`modulux machine eject`: a memory stick of a machine, before it is pulled out."""

from __future__ import annotations

from rich.console import Console

from modulux.cli.common import Common


def eject_stick(name: str, stick: str | None = None, *, common: Common | None = None) -> None:
    """Write what is still to be written to a memory stick and take it off; then it may be pulled out.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    stick
        what the stick is called below /media, or its device (sda1); without it those that there are
    """
    from modulux.cli.reach import reached
    from modulux.machine.sticks import chosen, eject, sticks

    common = common or Common()
    control = reached(name).control
    there = sticks(control)
    if stick is not None:
        eject(control, wanted := chosen(stick, there))
        common.result(
            {"name": name, "ejected": wanted.to_json() | {"state": "ejected"}},
            lambda console: console.print(f"{wanted.name} may be pulled out."),
        )
        return

    def table(console: Console) -> None:
        for one in there:
            console.print(f"  {one.name:<20} {one.kind:<6} {one.node:<6} {one.state}")

    common.result({"name": name, "sticks": [one.to_json() for one in there]}, table)
