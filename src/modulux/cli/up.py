"""`modulux up`: build what is missing, start what differs, wait until it can be used, say how to get in."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux import run
from modulux.cli.common import Common, Yes, find_desktop, host_facts, read_desktop
from modulux.cli.host import prepare_host
from modulux.cli.known import recorded
from modulux.cli.ways import me, show_ways
from modulux.desktop.link import Ways, ways
from modulux.desktop.up import up as bring_up
from modulux.errors import FileError, NotFoundError
from modulux.images.build import build
from modulux.model.desktop import Desktop
from modulux.resolve.plan import resolve


def up(
    desktop: str = "xfce",
    *,
    yes: Yes = False,
    keep: Annotated[bool, Parameter(help="if it does not get ready, leave it as it is, to look at")] = False,
    common: Common | None = None,
) -> None:
    """Start a desktop, or make a running one match its file.

    Parameters
    ----------
    desktop
        a ready-made desktop's name, a desktop file, or the name of a desktop that is down; `xfce` without
    """
    common = common or Common()
    composition, origin = _composition(common, desktop)
    catalog = common.catalog_for(composition.name)
    plan = resolve(composition, catalog, host_facts(), origin)
    engine = common.driver
    prepare_host(common, yes)

    def images() -> None:
        build(plan.images, catalog, engine, common.sources, common.report)

    came = bring_up(engine, plan, common.report, images, keep=keep)
    run.past_interrupts()  # it is up: who is told "interrupted" now would think that it was undone
    try:
        into = ways(engine, came.found, common.catalog.interfaces)
    except NotFoundError:
        into = Ways(None, None, None)
    data = {
        "desktop": plan.desktop,
        "engine": engine.name,
        "started": came.started,
        "removed": came.removed,
        **dataclasses.asdict(into),
    }
    common.result(data, lambda console: _show(console, common.flags, plan.desktop, bool(came.started or came.removed), into))


def _composition(common: Common, word: str) -> tuple[Desktop, str | None]:
    """What the word means, and the file that says so; a desktop that was taken down is known by its data."""
    try:
        path = find_desktop(word)
    except FileError:
        if (known := recorded(common, word)) is None:
            raise
        return known, None
    return read_desktop(path), str(path)


def _show(console: Console, flags: str, name: str, changed: bool, into: Ways) -> None:
    console.print(f"[bold]{name}[/] is {'up' if changed else 'up; nothing had to change'}.")
    show_ways(console, name, into, flags)
    console.print(f"  stop it     {me()} down {name}{flags}", markup=False)
