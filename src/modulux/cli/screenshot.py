"""`modulux screenshot`: the picture as it comes through the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName
from modulux.desktop.ready import picture
from modulux.desktop.state import existing
from modulux.errors import HostError, NotFoundError


def screenshot(
    name: DesktopName,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="the PNG file to write")],
    common: Common | None = None,
) -> None:
    """Save a desktop's picture, as it comes through its viewer, as a PNG file.

    Parameters
    ----------
    name
        the desktop's name
    """
    common = common or Common()
    found = existing(common.driver, name)
    viewer = found.having("rfb")
    if viewer is None:
        raise NotFoundError(f"`{name}` has no viewer that runs", hint="give its file a `viewer:`")
    with picture(common.driver, viewer.name, viewer.sockets["rfb"]) as client:
        shot = client.frame()
    try:
        shot.save(output)
    except OSError as error:
        raise HostError(f"{output}: {error.strerror or error}") from None
    data = {"desktop": name, "file": str(output), "width": shot.width, "height": shot.height}
    common.result(data, lambda console: console.print(f"{output}: {shot.width}x{shot.height}", markup=False))
