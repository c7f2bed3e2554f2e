"""`modulux machine start`: a desktop of a machine that rests, or was ended."""

from __future__ import annotations

from modulux.cli.common import Common


def start(name: str, desktop: str, *, common: Common | None = None) -> None:
    """Start a desktop of a machine that runs: one with `autostart: false`, or one that was ended.

    Parameters
    ----------
    name
        the machine's name
    desktop
        the desktop's name
    """
    from modulux.machine.desktops import start_desktop
    from modulux.machine.running import named

    common = common or Common()
    start_desktop(named(name).machine.control, desktop)
    common.result({"name": name, "desktop": desktop}, lambda console: console.print(f"{name} starts {desktop}."))
