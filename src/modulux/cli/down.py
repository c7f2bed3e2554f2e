"""`modulux down`: stop a desktop; its data stays unless you say otherwise."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName, Yes, confirm
from modulux.desktop.down import down as take_down
from modulux.desktop.state import look
from modulux.errors import NotFoundError


def down(
    name: DesktopName,
    *,
    volumes: Annotated[bool, Parameter(help="remove its data too (homes and shares); asks first")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Stop a desktop and remove its containers. Homes and shares stay.

    Parameters
    ----------
    name
        the desktop's name, as `modulux ps` shows it
    """
    common = common or Common()
    if volumes:
        there = look(common.driver, name)
        if not (there.modules or there.networks or there.volumes):
            raise NotFoundError(f"no desktop `{name}`, and no data of it", hint="modulux ps")
        confirm(f"Remove all data of `{name}` (homes and shares) for good?", yes)
    removed = take_down(common.driver, name, common.report, volumes=volumes)
    kept = "" if volumes else " Its data is kept; `--volumes` removes it too."
    common.result(dataclasses.asdict(removed), lambda console: console.print(f"[bold]{name}[/] is down.{kept}"))
