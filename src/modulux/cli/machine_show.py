"""`modulux machine show`: another desktop of a machine on its screen."""

from __future__ import annotations

from rich.console import Console

from modulux.cli.common import Common


def show_desktop(name: str, desktop: str | None = None, *, common: Common | None = None) -> None:
    """Bring a desktop of a machine to the front of its screen, as Ctrl-Alt-F7, -F8 and so on do there.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    desktop
        a desktop's name, `login`, `installer`, or a terminal's number; without it those that there are
    """
    from modulux.cli.reach import reached
    from modulux.machine.terminals import chosen, show, terminals

    common = common or Common()
    control = reached(name).control
    there = terminals(control)
    if desktop is not None:
        show(control, wanted := chosen(desktop, there))
        common.result({"name": name, "shown": wanted.to_json()}, lambda console: console.print(f"{name} shows {wanted.name}."))
        return

    def table(console: Console) -> None:
        for one in there:
            console.print(f"  Ctrl-Alt-F{one.number:<3} {one.name}{'   (seen now)' if one.seen else ''}")

    common.result({"name": name, "terminals": [one.to_json() for one in there]}, table)
