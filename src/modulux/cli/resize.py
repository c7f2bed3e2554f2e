"""`modulux resize`: another size for a running screen."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName
from modulux.desktop.resize import resize as ask
from modulux.model.units import Screen
from modulux.resolve.files import validate


def resize(
    name: DesktopName,
    size: str,
    *,
    screen: Annotated[str | None, Parameter(help="the first session on the screen, where there are several")] = None,
    common: Common | None = None,
) -> None:
    """Change the size of a running desktop's screen, where its display can; nothing is started anew.

    Parameters
    ----------
    name
        the desktop's name
    size
        width and height in pixels, such as 1600x900
    """
    common = common or Common()
    wanted = validate(size, Screen, "the size")
    changed = ask(common.driver, name, wanted, screen)
    data = {"desktop": name, "screen": changed, "width": wanted.width, "height": wanted.height}
    common.result(data, lambda console: console.print(f"[bold]{name}[/]: the screen of {changed} is {wanted} now."))
