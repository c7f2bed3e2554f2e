"""`modulux machine start`: a desktop of a machine that rests, or was ended."""

from __future__ import annotations

from modulux.cli.common import Common


def start(name: str, desktop: str, *, common: Common | None = None) -> None:
    """Start a desktop of a machine that runs: one with `autostart: false`, or one that was ended.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    desktop
        the desktop's name
    """
    from modulux.cli.reach import reached
    from modulux.machine.desktops import start_desktop

    common = common or Common()
    start_desktop(reached(name).control, desktop)
    common.result({"name": name, "desktop": desktop}, lambda console: console.print(f"{name} starts {desktop}."))
