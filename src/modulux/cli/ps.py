"""`modulux ps`: what runs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common, DesktopName, since
from modulux.desktop.health import health
from modulux.desktop.state import desktops
from modulux.errors import NotFoundError


def ps(name: DesktopName | None = None, *, common: Common | None = None) -> None:
    """List the running desktops and their modules.

    Parameters
    ----------
    name
        only this desktop
    """
    common = common or Common()
    found = desktops(common.driver)
    if name is not None and name not in found:
        raise NotFoundError(f"no desktop `{name}` is running", hint="modulux ps")
    modules = [m for desktop, those in sorted(found.items()) if name in (None, desktop) for m in those]
    healths = health(common.driver, modules)
    rows = [
        {
            "desktop": m.state.labels["io.modulux.desktop"],
            "module": m.id,
            "role": m.role,
            "container": m.name,
            "status": m.state.status,
            "phase": healths[m.name].phase,
            "restarts": healths[m.name].restarts,
            "last_exit": healths[m.name].last_exit,
            "started": m.state.started,
            "image": m.state.image,
            "added": m.added,
        }
        for m in sorted(modules, key=lambda m: m.state.started)
    ]
    common.result(rows, lambda console: _show(console, rows))


def _show(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("Nothing is running. `modulux up` starts a desktop.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("DESKTOP", "MODULE", "STATUS", "SINCE", "CONTAINER"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        status = row["phase"] if row["status"] == "running" else row["status"]
        again = f", started again {row['restarts']} times (last exit {row['last_exit']})" if row["restarts"] else ""
        age = since(row["started"]) if row["started"] else "-"
        table.add_row(row["desktop"], row["module"], f"{status}{again}", age, row["container"])
    console.print(table)
