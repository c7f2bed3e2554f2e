"""`modulux down`: stop a desktop; its data stays unless you say otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName, Yes, confirm
from modulux.desktop.down import down as take_down
from modulux.desktop.state import look
from modulux.engine.choose import ENGINES
from modulux.errors import ModuluxError, NotFoundError
from modulux.report import Note


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
    if volumes:
        _modules(name, common)
    kept = "" if volumes else " Its data is kept; `--volumes` removes it too."
    common.result(dataclasses.asdict(removed), lambda console: console.print(f"[bold]{name}[/] is down.{kept}"))


def _modules(name: str, common: Common) -> None:
    """Modules that a restore brought for the desktop go with its data, unless another engine has one of that name."""
    from modulux.keep.recipes import forget_recipes, left_behind

    place = left_behind(name)
    if place is None:
        return
    for other in (e for e in ENGINES if e != common.driver.name and shutil.which(e)):
        with contextlib.suppress(ModuluxError):
            there = look(Common(engine=other).driver, name)
            if there.modules or there.volumes:
                common.report(Note(f"its modules stay in {place}: {other} has a desktop `{name}` as well"))
                return
    forget_recipes(name)
