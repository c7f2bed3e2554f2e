"""`modulux screenshot`: the picture as it comes through the viewer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName
from modulux.desktop.ready import picture
from modulux.desktop.state import existing
from modulux.errors import HostError, NotFoundError, UsageError


def screenshot(
    name: DesktopName,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="the PNG file to write; `-` is stdout", allow_leading_hyphen=True)],
    screen: Annotated[str | None, Parameter(help="the first session on the screen, where there are several")] = None,
    common: Common | None = None,
) -> None:
    """Save a desktop's picture, as it comes through its viewer, as a PNG file.

    Parameters
    ----------
    name
        the desktop's name
    """
    common = common or Common()
    to_stdout = str(output) == "-"
    if not to_stdout and output.suffix.lower() != ".png":
        raise UsageError(
            f"{output}: the picture is a PNG file", hint=f"-o {output.with_suffix('.png')}" if output.name else None
        )
    if to_stdout and common.json:
        raise UsageError("`-o -` and --json both want stdout", hint="-o FILE.png")
    found = existing(common.driver, name)
    viewer = found.having("rfb", screen)
    if viewer is None:
        seen = ", ".join(sorted({m.screen for m in found.modules.values() if "rfb" in m.sockets}))
        hint = f"screens with one: {seen}" if seen else f"modulux swap {name} viewer=x11vnc"
        raise NotFoundError(f"`{name}` has no viewer that runs" + (f" on a screen `{screen}`" if screen else ""), hint=hint)
    with picture(common.driver, viewer.name, viewer.sockets["rfb"]) as client:
        shot = client.frame()
    if to_stdout:
        shot.image().save(sys.stdout.buffer, "PNG")
        sys.stdout.flush()
        return
    try:
        shot.save(output)
    except OSError as error:
        raise HostError(f"{output}: {error.strerror or error}") from None
    data = {"desktop": name, "file": str(output), "width": shot.width, "height": shot.height}
    common.result(data, lambda console: console.print(f"{output}: {shot.width}x{shot.height}", markup=False))
