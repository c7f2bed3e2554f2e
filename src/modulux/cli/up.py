"""`modulux up`: build what is missing, start what differs, wait until it can be used, say how to get in."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes, find_desktop, host_facts, read_desktop
from modulux.desktop.link import Ways, ways
from modulux.desktop.up import up as bring_up
from modulux.errors import NotFoundError
from modulux.images.build import build
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
        a ready-made desktop's name, or a desktop file
    """
    common = common or Common()
    path = find_desktop(desktop)
    plan = resolve(read_desktop(path), common.catalog, host_facts(), str(path))
    engine = common.driver
    prepare_host(common, yes)
    build(plan.images, common.catalog, engine, common.sources, common.report)
    came = bring_up(engine, plan, common.report, keep=keep)
    try:
        into = ways(engine, came.found, common.catalog.interfaces)
    except NotFoundError:
        into = Ways(None, None, None)
    data = {"desktop": plan.desktop, "engine": engine.name, "started": came.started, "removed": came.removed, **dataclasses.asdict(into)}
    common.result(data, lambda console: _show(console, plan.desktop, bool(came.started or came.removed), into))


def prepare_host(common: Common, yes: bool) -> None:
    """The host packages that the engine and the builds need: named, and installed after a yes."""
    from modulux.cli.common import confirm
    from modulux.host.packages import ensure_packages

    ensure_packages(common.driver.name, yes, lambda question: confirm(question, yes))


def _show(console: Console, name: str, changed: bool, into: Ways) -> None:
    console.print(f"[bold]{name}[/] is {'up' if changed else 'up; nothing had to change'}.")
    show_ways(console, name, into)
    console.print(f"  stop it     modulux down {name}")


def show_ways(console: Console, name: str, into: Ways) -> None:
    """The link and the VNC address, for a person."""
    if into.browser:
        console.print(f"  browser     {into.browser}", markup=False)
    if into.vnc_address:
        address, _, port = into.vnc_address.rpartition(":")
        console.print(f"  VNC client  {address}::{port}   password {into.vnc_password}", markup=False)
    if into.browser or into.vnc_address:
        console.print(f"              [dim]each is good once, for ten minutes; fresh ones: modulux open {name}[/]")
